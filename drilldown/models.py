"""Drill-down and its baselines by name: made anew, read from a folder, or taken from stage 1 to stage 2."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from drilldown.drill_down import DrillDown
from drilldown.model_settings import Kind, ModelSettings
from drilldown.rank_fusion import RRankFusion
from drilldown.reading import RRE
from drilldown.recurrent import HRE, RHRE
from drilldown.retriever import TextRetriever
from multiturn.encoders.catalogue import make_encoder
from multiturn.encoders.weights import fitting, load_ours

CLASSES: dict[Kind, Any] = {
    "drill-down": DrillDown,
    "hre": HRE,
    "r-hre": RHRE,
    "r-re": RRE,
    "r-rankfusion": RRankFusion,
}


def new_model(
    settings: ModelSettings, words: Sequence[str] | None, fingerprint: str, region_dim: int, seed: int = 0
) -> TextRetriever:
    """An untrained model.

    Args:
        settings: which model, of what size.
        words: of the vocabulary; not used where the settings name a frozen text encoder.
        fingerprint: of the encoder of the regions.
        region_dim: length of its vectors.
        seed: of a random policy; the weights are drawn from torch's own generator.
    Raises:
        FileNotFoundError: the frozen text encoder's weights are not there.
    """
    given: dict[str, Any] = {"fingerprint": fingerprint, "region_dim": region_dim}
    given |= {"dim": settings.dim, "embedding_dim": settings.embedding_dim, "words": list(words or ())}
    if settings.text is not None:
        # The model opens it once more; only its name for itself is wanted here, to travel with the model.
        opened = make_encoder(settings.text)
        given |= {"words": None, "text": asdict(settings.text) | {"fingerprint": opened.fingerprint}}
    if settings.kind != "hre":
        given |= {"score": settings.score, "sharpness": settings.sharpness}
    if settings.kind == "drill-down":
        given |= {"states": settings.states, "policy": settings.policy, "policy_relu": settings.policy_relu}
        given["seed"] = seed
    return CLASSES[settings.kind](**given)


def load_model(kind: Kind, folder: str) -> TextRetriever:
    """A trained model, from its folder or the Hub.

    Args:
        kind: it is of; a class is never chosen by what the folder says.
        folder: with config.json and model.safetensors, or a name on the Hub.
    Raises:
        FileNotFoundError: there is none.
        ValueError: it is of another kind, or its weights do not fit its configuration.
    """
    return load_ours(CLASSES[kind], folder, f"{kind} model")


def second_stage(settings: ModelSettings, stage_one: str | None) -> DrillDown:
    """The model that stage 2 goes on with: what stage 1 has learned, with the learned policy in charge.

    Args:
        settings: of the model: 'drill-down' with the policy 'learned', and the sizes of stage 1.
        stage_one: output folder of a training of stage 1, or its name on the Hub.
    Raises:
        FileNotFoundError: nothing trained is there.
        ValueError: no folder was given; a baseline, which has no stage 2; another policy; other sizes.
    """
    if settings.kind != "drill-down" or settings.policy != "learned":
        raise ValueError(
            f"stage 2 trains the learned policy of drill-down, not the {settings.policy} one of {settings.kind}; set "
            "model.kind to drill-down and model.policy to learned"
        )
    if stage_one is None:
        raise ValueError(
            "stage 2 goes on from a model that stage 1 has trained; run stage 1 first and name its output folder"
        )
    one = load_model("drill-down", stage_one)
    assert isinstance(one, DrillDown)
    if (one.slots, one.dim) != (settings.states, settings.dim):
        raise ValueError(
            f"{stage_one} was trained with {one.slots} states of {one.dim}, the settings say {settings.states} of "
            f"{settings.dim}; set model.states and model.dim alike"
        )
    two = new_model(settings, one.words, one.fingerprint, one.projection.map.in_features)
    assert isinstance(two, DrillDown)
    with fitting(stage_one, "the settings of the model"):
        two.load_state_dict(one.state_dict())
    return two
