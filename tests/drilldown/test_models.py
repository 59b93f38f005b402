"""Claims about models as files: they survive their folder, are never taken for another, and go from stage 1 to 2."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from drilldown.model_settings import Kind, LossSettings, ModelSettings
from drilldown.models import load_model, new_model, second_stage
from drilldown.recurrent import HRE
from multiturn.encoders.catalogue import EncoderSettings
from multiturn.encoders.words import WordGRU
from multiturn.gallery import Gallery
from multiturn.regions import Regions
from multiturn.replies import TextReply
from multiturn.training import save_pretrained

WORDS = ["a", "dog", "cat"]
KINDS: list[Kind] = ["drill-down", "hre", "r-hre", "r-re", "r-rankfusion"]
SMALL = ModelSettings(states=2, dim=6, embedding_dim=3)
REGIONS = Regions(torch.randn(9, 2, 5, generator=torch.Generator().manual_seed(0)), None, torch.ones(9, 2).bool())
GALLERY = Gallery.of([f"{i}" for i in range(9)], REGIONS, "enc", "s")


def model(settings: ModelSettings = SMALL) -> Any:
    torch.manual_seed(3)
    return new_model(settings, WORDS, "enc", 5).eval()


@torch.no_grad()
def scores(net: Any) -> torch.Tensor:
    state = net.start(1, GALLERY)
    for text in ("a dog", "cat zebra", "a", "dog dog", "cat"):
        state = net.update(state, TextReply((text,)), GALLERY)
    return net.score(state, GALLERY).exact(torch.zeros(9).long(), torch.arange(9))


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_survives_its_folder_with_its_words_and_fingerprint(tmp_path, kind):
    net = model(replace(SMALL, kind=kind, policy="learned", score="paper", sharpness=4.0))
    save_pretrained(net, tmp_path)
    read: Any = load_model(kind, str(tmp_path)).eval()
    assert (read.words, read.fingerprint, read.formula) == (net.words, "enc", net.formula)
    assert torch.equal(scores(read), scores(net))


@pytest.mark.parametrize("policy", ["fixed", "learned", "random", "first"])
def test_the_policy_travels_with_the_weights(tmp_path, policy):
    save_pretrained(model(replace(SMALL, policy=policy)), tmp_path)
    read: Any = load_model("drill-down", str(tmp_path))
    assert read.policy == policy


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("asked", KINDS)
def test_a_folder_of_another_model_is_refused_and_the_right_one_named(tmp_path, kind, asked):
    if kind == asked:
        return
    save_pretrained(model(replace(SMALL, kind=kind)), tmp_path)
    with pytest.raises(ValueError, match=f"model {kind}, not {asked}; set model.kind to {kind}"):
        load_model(asked, str(tmp_path))


def test_a_class_refuses_the_folder_of_another_that_has_weights_of_the_same_names(tmp_path):
    save_pretrained(model(replace(SMALL, kind="r-hre")), tmp_path)
    with pytest.raises(ValueError, match="model r-hre, not hre"):
        HRE.from_pretrained(str(tmp_path))


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no config\.json of a drill-down model"):
        load_model("drill-down", str(tmp_path))


def test_a_model_with_a_frozen_text_encoder_survives_its_folder(tmp_path):
    torch.manual_seed(1)
    save_pretrained(WordGRU(WORDS, 4, 3), tmp_path / "gru")
    settings = replace(SMALL, text=EncoderSettings("words", str(tmp_path / "gru")))
    net: Any = new_model(settings, WORDS, "enc", 5).eval()
    save_pretrained(net, tmp_path / "model")
    assert torch.equal(scores(load_model("drill-down", str(tmp_path / "model")).eval()), scores(net))
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["text"]["fingerprint"].startswith("word-gru-") and net.words is None


def test_stage_2_goes_on_with_the_weights_of_stage_1_and_the_learned_policy(tmp_path):
    one = model()
    save_pretrained(one, tmp_path)
    two = second_stage(replace(SMALL, policy="learned"), str(tmp_path))
    assert two.policy == "learned"
    assert all(torch.equal(value, two.state_dict()[name]) for name, value in one.state_dict().items())
    save_pretrained(two, tmp_path / "two")
    again: Any = load_model("drill-down", str(tmp_path / "two"))
    assert again.policy == "learned"


LEARNED = replace(SMALL, policy="learned")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (LEARNED, "stage 2 goes on from a model that stage 1 has trained; run stage 1 first"),
        (SMALL, "learned policy of drill-down, not the fixed one"),
        (replace(LEARNED, kind="r-hre"), "not the learned one of r-hre"),
    ],
)
def test_stage_2_without_stage_1_or_a_policy_to_learn_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        second_stage(settings, None)


def test_stage_2_of_another_size_than_stage_1_is_refused(tmp_path):
    save_pretrained(model(), tmp_path)
    with pytest.raises(ValueError, match="2 states of 6, the settings say 4 of 6"):
        second_stage(replace(LEARNED, states=4), str(tmp_path))
    with pytest.raises(ValueError, match="do not fit the settings of the model"):
        second_stage(replace(LEARNED, embedding_dim=8), str(tmp_path))


def test_stage_2_from_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.json of a drill-down model"):
        second_stage(LEARNED, str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"states": 0}, "states must be at least 1, not 0"),
        ({"dim": 0}, "dim must be at least 1"),
        ({"sharpness": 0.0}, r"sharpness must lie in \(0, 40\], not 0.0"),
        ({"sharpness": 41.0}, "the paper's is 9"),
        ({"text": EncoderSettings("squeezenet")}, "squeezenet encodes images"),
        ({"kind": "r-re", "text": EncoderSettings("words", "folder")}, "r-re reads the words of all queries"),
    ],
)
def test_a_model_that_cannot_be_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        ModelSettings(**changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"turns": 0}, "turns must be at least 1"),
        ({"margin": -0.1}, "margin must be at least 0"),
        ({"discount": 1.5}, "discount must lie between 0 and 1"),
        ({"temperature": 0.0}, "temperature must be above 0, not 0.0"),
        ({"policy_weight": -1.0}, "policy_weight must be at least 0"),
        ({"learner": "reinforce", "act": "best"}, "reinforce learns from states that are drawn"),
    ],
)
def test_a_loss_that_cannot_be_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        LossSettings(**changes)
