"""Every module of ours goes to the Hub and comes back the same, to the last bit of its scores."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from drilldown.drill_down import DrillDown
from drilldown.rank_fusion import RRankFusion
from drilldown.reading import RRE
from drilldown.recurrent import HRE, RHRE
from drilldown.scenes_network import SceneNetwork
from facefb.attribute_space import AttributeSpace
from facefb.retriever import FeedbackRetriever
from facefb.reverse_retriever import ExampleRetriever
from multiturn.encoders.se_resnet import SEResNet
from multiturn.encoders.words import WordGRU
from multiturn.gallery import Gallery
from multiturn.hub import local_checkpoint
from multiturn.hub.model import HubModel
from multiturn.regions import Regions
from multiturn.replies import AttributeReply, ImageReply, Reply, TextReply, WantedReply
from multiturn.session import Session
from relevance.methods import RelevanceModel
from tests.hub_server import Hub, running_hub, use

NAMES = ("Young", "Male", "Smiling")
WORDS = ("a", "red", "ball", "left")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub() as found:
        use(found, tmp_path / "cache", monkeypatch)
        yield found


def gallery(regions: bool) -> Gallery:
    ids = [f"{number:02d}" for number in range(12)]
    generator = torch.Generator().manual_seed(0)
    if not regions:
        return Gallery.of(ids, torch.randn(12, 6, generator=generator), "theirs", "made up")
    vectors = torch.randn(12, 4, 6, generator=generator)
    return Gallery.of(ids, Regions(vectors, None, torch.ones(12, 4, dtype=torch.bool)), "theirs", "made up")


def attribute_reply() -> AttributeReply:
    said = torch.tensor([[1, -1, 0]], dtype=torch.int8)
    return AttributeReply(torch.tensor([3]), said, -said)


def said() -> TextReply:
    return TextReply(("a red ball",))


def of_text(kind: Any, **more: Any) -> Any:
    return kind(list(WORDS), "theirs", region_dim=6, dim=8, embedding_dim=5, **more)


RETRIEVERS: dict[str, tuple[Callable[[], Any], Callable[[], Reply], bool]] = {
    "attribute feedback": (lambda: FeedbackRetriever(NAMES, "theirs", 6, 8), attribute_reply, False),
    "attribute space": (
        lambda: AttributeSpace(list(NAMES), "theirs", 6, 5, 7),
        lambda: WantedReply(torch.tensor([[1, 0, -1]], dtype=torch.int8)),
        False,
    ),
    "examples": (
        lambda: ExampleRetriever("theirs", "best"),
        lambda: ImageReply(("me.jpg",), torch.full((1, 6), 0.3)),
        False,
    ),
    "relevance": (
        lambda: RelevanceModel("rocchio", "theirs", 6, 4),
        lambda: ImageReply(("me.jpg",), torch.full((1, 6), 0.3)),
        False,
    ),
    "drill-down": (lambda: of_text(DrillDown, policy="learned"), said, True),
    "hre": (lambda: of_text(HRE), said, True),
    "r-hre": (lambda: of_text(RHRE), said, True),
    "r-re": (lambda: of_text(RRE), said, True),
    "r-rankfusion": (lambda: of_text(RRankFusion), said, True),
}


def scores(retriever: Any, reply: Reply, over: Gallery) -> Tensor:
    session = Session(retriever.eval(), over, torch.zeros(1, dtype=torch.long), len(over))
    with torch.no_grad():
        session.tell(reply)
        turn = session.tell(reply)
    return torch.cat([turn.shown.double(), turn.scores.double()])


@pytest.mark.parametrize("name", RETRIEVERS)
def test_a_retriever_scores_the_same_after_the_hub(name: str, hub: Hub):
    make, reply, regions = RETRIEVERS[name]
    torch.manual_seed(1)
    pushed, over = make(), gallery(regions)
    address = pushed.push_to_hub("lab/retriever", private=True)
    assert address.startswith(hub.url) and hub.models["lab/retriever"].private
    torch.manual_seed(2)
    back = type(pushed).from_pretrained("lab/retriever")
    assert not back.training
    assert torch.equal(scores(pushed, reply(), over), scores(back, reply(), over))


@pytest.mark.parametrize("name", RETRIEVERS)
def test_a_config_stands_alone_and_binds_the_gallery_s_encoder(name: str, hub: Hub):
    RETRIEVERS[name][0]().push_to_hub("lab/retriever")
    config = json.loads(hub.models["lab/retriever"].files()["config.json"])
    assert config["fingerprint"] == "theirs"
    if name in ("attribute feedback", "attribute space"):
        assert config["attributes"] == list(NAMES)
    elif RETRIEVERS[name][2]:
        assert set(WORDS) <= set(config["words"])


NETWORKS: dict[str, tuple[Callable[[], Any], Callable[[Any], Tensor]]] = {
    "attribute classifier": (
        lambda: SEResNet(list(NAMES), "basic", [1, 1, 1, 1], [4, 4, 4, 4], height=32, width=32),
        lambda network: network(torch.arange(2 * 3 * 32 * 32).reshape(2, 3, 32, 32).remainder(256).to(torch.uint8)),
    ),
    "words": (lambda: WordGRU(WORDS, 8, 5), lambda network: network.vectors(["a red ball", "left"])),
    "scenes": (
        lambda: SceneNetwork(["colour"], [["red", "blue"]]),
        lambda network: torch.cat([one.flatten() for one in network.state_dict().values() if one.is_floating_point()]),
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_an_encoder_s_network_computes_the_same_after_the_hub(name: str, hub: Hub):
    make, compute = NETWORKS[name]
    torch.manual_seed(1)
    pushed = make().eval()
    pushed.push_to_hub("lab/network", branch="v1")
    torch.manual_seed(2)
    back = type(pushed).from_pretrained("lab/network", revision="v1")
    with torch.no_grad():
        assert torch.equal(compute(pushed), compute(back))
    if hasattr(pushed, "fingerprint"):
        assert pushed.fingerprint == back.fingerprint


def test_the_card_of_a_module_says_how_to_load_it_and_the_words_work(hub: Hub):
    RETRIEVERS["attribute feedback"][0]().push_to_hub("lab/retriever@v2")
    card = hub.models["lab/retriever"].files("v2")["README.md"].decode()
    code = card.split("```python\n")[1].split("```")[0]
    assert 'FeedbackRetriever.from_pretrained("lab/retriever@v2")' in code
    found: dict[str, Any] = {}
    exec(code, found)
    assert isinstance(found["model"], FeedbackRetriever)


def test_a_repository_of_pickles_alone_is_not_read(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("something was unpickled")

    monkeypatch.setattr("torch.load", refuse)
    RETRIEVERS["attribute feedback"][0]().push_to_hub("lab/retriever")
    there = hub.models["lab/retriever"]
    for name in ("pytorch_model.bin", "model.pt", "weights.pkl"):
        there.replace(name, b"cos\nsystem\n(S'true'\ntR.")
    FeedbackRetriever.from_pretrained("lab/retriever")
    assert {path.suffix for path in local_checkpoint("lab/retriever").iterdir()} <= {".json", ".safetensors"}
    there.replace("model.safetensors", None)
    with pytest.raises(ValueError, match=r"lab/retriever lacks model\.safetensors"):
        FeedbackRetriever.from_pretrained("lab/retriever")


def test_a_class_is_never_chosen_by_what_a_file_says(hub: Hub, tmp_path: Path):
    FeedbackRetriever(NAMES, "theirs", 6, 8).save_pretrained(tmp_path)
    about = json.loads((tmp_path / "config.json").read_text())
    told = {"class": "os.system", "_target_": "os.system", "auto_map": {"AutoModel": "modeling.Evil"}}
    (tmp_path / "config.json").write_text(json.dumps(about | told | {"architectures": ["Evil"]}))
    assert type(FeedbackRetriever.from_pretrained(tmp_path)) is FeedbackRetriever


def test_weights_that_are_not_all_there_are_refused(tmp_path: Path):
    from safetensors.torch import load_file, save_file

    FeedbackRetriever(NAMES, "theirs", 6, 8).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["aim.bias"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(RuntimeError, match=r"aim\.bias"):
        FeedbackRetriever.from_pretrained(tmp_path)


def test_a_folder_loads_as_a_repository_does(tmp_path: Path):
    torch.manual_seed(1)
    saved = RETRIEVERS["attribute feedback"][0]()
    saved.save_pretrained(tmp_path / "plain")
    back = FeedbackRetriever.from_pretrained(str(tmp_path / "plain"))
    assert isinstance(back, HubModel)
    over = gallery(False)
    assert torch.equal(scores(saved, attribute_reply(), over), scores(back, attribute_reply(), over))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_of_a_module_is_named_with_it(tmp_path: Path, name: str):
    FeedbackRetriever(NAMES, "theirs", 6, 8).save_pretrained(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{tmp_path} holds no {name} of a FeedbackRetriever; give the output"):
        FeedbackRetriever.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("config", "said"),
    [("{", r"config\.json is damaged"), ('{"dim": 3}', "lacks attributes, fingerprint and is not that")],
)
def test_a_config_that_is_damaged_or_of_another_class_is_refused(tmp_path: Path, config: str, said: str):
    FeedbackRetriever(NAMES, "theirs", 6, 8).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ValueError, match=said):
        FeedbackRetriever.from_pretrained(tmp_path)


def test_arguments_that_are_given_need_not_stand_in_the_config(tmp_path: Path):
    FeedbackRetriever(NAMES, "theirs", 6, 8).save_pretrained(tmp_path)
    told = json.loads((tmp_path / "config.json").read_text())
    del told["fingerprint"]
    (tmp_path / "config.json").write_text(json.dumps(told))
    assert FeedbackRetriever.from_pretrained(tmp_path, fingerprint="ours").fingerprint == "ours"
