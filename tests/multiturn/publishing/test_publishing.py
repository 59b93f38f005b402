"""Which files of a run and a gallery are pushed, and what their cards say; the programs are in tests/test_push.py."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from data_prep.manifests import MANIFEST
from facefb.retriever import FeedbackRetriever
from multiturn.gallery import Gallery
from multiturn.hub import HubName, local_checkpoint, local_gallery
from multiturn.publishing import publish_gallery, publish_run, write_card
from multiturn.publishing.licences import hub_licence
from multiturn.publishing.run_card import run_card
from multiturn.run_folder import read_run, write_ranks
from tests.hub_server import Hub, running_hub, use
from tests.multiturn.test_report import made_up_metrics, results

NAME = HubName.of("lab/faces")
CITATION = "@misc{drawn, title = {Drawn faces}}"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub() as found:
        use(found, tmp_path / "cache", monkeypatch)
        monkeypatch.chdir(tmp_path)
        yield found


@pytest.fixture(scope="module")
def metrics() -> dict[str, Any]:
    told = {"retriever": "facefb.retriever.FeedbackRetriever", "licence": "Apache-2.0", "citation": CITATION}
    return {**made_up_metrics(), **told}


@pytest.fixture
def run(tmp_path: Path, metrics: dict[str, Any]) -> Path:
    """What a training leaves: what is needed, and much that is not."""
    folder = tmp_path / "run"
    FeedbackRetriever(["Male"], "theirs", 6, 8).save_pretrained(folder)
    more = [
        *("config.yaml", "best.safetensors", "history.json", "report.html", "sessions.json", "log.pt", ".env"),
        *(
            "pictures/sessions.png",
            "pictures/open_set.table.json",
            "figures/percentile.png",
            "checkpoints/epoch-0001/optimizer.bin",
        ),
        *(
            "galleries/test.safetensors",
            "faces/drawn/test/data.arrow",
            "evaluation/config.yaml",
            "stage-1/history.json",
        ),
    ]
    more += [f"{one}/{file}" for one in ("encoder", "single-state") for file in ("config.json", "model.safetensors")]
    more += ["encoder/standardise.safetensors", "encoder/best.safetensors", "encoder/checkpoints/epoch-0001/model.bin"]
    for name in more:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    write_ranks(results("GRU", [290, 150, 80, 40, 20, 10]), folder / "ranks.parquet")
    return folder


NEEDED = {
    *(".gitattributes", "README.md", "config.json", "config.yaml", "files.json", "history.json", "metrics.json"),
    *("model.safetensors", "ranks.parquet", "figures/percentile.png", "encoder/config.json"),
    *("encoder/model.safetensors", "encoder/standardise.safetensors", "single-state/config.json"),
    *("single-state/model.safetensors", "stage-1/history.json", "pictures/open_set.table.json"),
}
PICTURES = {"report.html", "sessions.json", "pictures/sessions.png"}


def test_what_evaluation_needs_and_the_results_are_pushed_and_no_cache_or_checkpoint(hub: Hub, run: Path):
    done = publish_run(run, NAME)
    files = hub.models["lab/faces"].files()
    assert files.keys() == NEEDED | PICTURES
    assert re.findall(r"!\[.*?\]\((.*?)\)", files["README.md"].decode()) == ["figures/percentile.png"]
    assert done.name.revision in hub.models["lab/faces"].commits


@pytest.mark.parametrize("licence", ["", "Non-commercial research only."])
def test_pictures_stay_here_where_the_licence_does_not_let_everybody_pass_them_on(
    licence: str, hub: Hub, run: Path, metrics: dict[str, Any]
):
    (run / "metrics.json").write_text(json.dumps(metrics | {"licence": licence}))
    publish_run(run, NAME)
    files = hub.models["lab/faces"].files()
    assert files.keys() == NEEDED
    card = files["README.md"].decode()
    assert "license: other" in card and "Pictures of the data are left out" in card


def test_every_file_is_listed_with_its_size_and_digest(hub: Hub, run: Path):
    publish_run(run, NAME)
    files = hub.models["lab/faces"].files()
    listed = json.loads(files["files.json"])["files"]
    assert listed.keys() == (NEEDED | PICTURES) - {".gitattributes", "files.json"}
    assert all(one["size"] == len(files[name]) and len(one["sha256"]) == 64 for name, one in listed.items())


def test_ranks_come_back_as_they_were_so_that_runs_can_be_compared(hub: Hub, run: Path):
    publish_run(run, NAME)
    here, there = read_run(run), read_run(local_checkpoint("lab/faces"))
    assert torch.equal(here.ranks.best, there.ranks.best) and torch.equal(here.ranks.worst, there.ranks.worst)
    assert (here.sessions, here.targets, here.protocol) == (there.sessions, there.targets, there.protocol)


@pytest.mark.parametrize("missing", ["config.yaml", "config.json", "model.safetensors", "metrics.json"])
def test_a_run_that_is_not_finished_is_not_pushed(missing: str, hub: Hub, run: Path):
    (run / missing).unlink()
    with pytest.raises(FileNotFoundError, match=rf"has no {re.escape(missing)}; give the output folder of a train\.py"):
        publish_run(run, NAME)
    assert not hub.models


def test_results_of_another_system_have_no_card(run: Path, metrics: dict[str, Any]):
    (run / "metrics.json").write_text(json.dumps({key: one for key, one in metrics.items() if key != "retriever"}))
    with pytest.raises(ValueError, match=r"metrics\.json lacks retriever, which a card tells"):
        write_card(run)


def test_every_number_of_the_index_of_results_is_that_of_metrics_json(metrics: dict[str, Any]):
    card = run_card(metrics, "lab/faces", pushed=True)
    about = yaml.safe_load(str(card).split("---\n")[1])
    (index,) = about["model-index"][0]["results"]
    rows = {row["turn"]: row for row in [metrics["before_feedback"], *metrics["per_turn"]]}
    found = {(one["args"]["turn"], one["type"]): one for one in index["metrics"]}
    assert found.keys() == {(turn, name) for turn, row in rows.items() for name in row["interval"]}
    for (turn, name), one in found.items():
        assert one["value"] == rows[turn][name] and one["args"]["interval"] == rows[turn]["interval"][name]
    assert index["dataset"]["name"] == metrics["data"] and index["dataset"]["args"]["seen"] == "keep"
    assert found[(5, "R@10")]["name"] == "R@10, turn 5"
    assert about["license"] == "apache-2.0" and "celeba-feedback" in about["tags"]


def test_the_card_has_the_table_the_protocol_the_command_and_the_citation(metrics: dict[str, Any]):
    card = run_card(metrics, "lab/faces", pushed=True).text
    last = metrics["per_turn"][-1]
    low, high = (100 * end for end in last["interval"]["R@10"])
    assert f"{100 * last['R@10']:.2f} [{low:.2f}, {high:.2f}]" in card
    for told in ("Seen: keep", "bootstrap intervals over sessions", "By chance", "| Rounds to hit@10 |", CITATION):
        assert told in card
    assert "```bash\npython train.py --task celeba-feedback\n```" in card
    assert "Licence of the data: Apache-2.0." in card


def test_the_card_in_the_folder_names_the_folder(run: Path):
    text = write_card(run).read_text()
    assert f'FeedbackRetriever.from_pretrained("{run}")' in text and "eval.evaluate --checkpoint" in text
    code = text.split("```python\n")[1].split("```")[0]
    found: dict[str, Any] = {}
    exec(code, found)
    assert found["retriever"].fingerprint == "theirs"


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    """A gallery's folder with its manifest, labels and a picture."""
    folder = tmp_path / "gallery"
    vectors = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    Gallery.of([f"{n}.jpg" for n in range(5)], vectors, "theirs", "made up").save(folder / "gallery.safetensors")
    about = {"schema": 1, "gallery": {"file": "gallery.safetensors"}, "licence": "CC-BY-4.0", "citation": CITATION}
    about |= {"command": "python -m data_prep.encode --data.root photos", "created": "2026-01-02T03:04:05+00:00"}
    (folder / MANIFEST).write_text(json.dumps(about))
    (folder / "labels.csv").write_text("id,person\n0.jpg,somebody\n")
    (folder / "0.jpg").write_bytes(b"a picture")
    return folder


def test_a_gallery_becomes_a_data_set_of_vectors_and_ids(hub: Hub, gallery: Path):
    publish_gallery(gallery, NAME)
    there = hub.datasets["lab/faces"].files()
    assert there.keys() == {".gitattributes", "README.md", "files.json", "gallery.safetensors", MANIFEST}
    here, back = Gallery.load(gallery), Gallery.load(local_gallery("lab/faces"))
    assert torch.equal(here.vectors, back.vectors)
    assert (here.ids, here.fingerprint, here.source) == (back.ids, back.fingerprint, back.source)
    card = there["README.md"].decode()
    assert "license: cc-by-4.0" in card and "| 5 | – | 4 | float32 | 0.0 | 0 |" in card and "`theirs`" in card
    assert CITATION in card and "data_prep.encode --data.root photos" in card
    code = card.split("```python\n")[1].split("```")[0]
    found: dict[str, Any] = {}
    exec(code, found)
    assert found["gallery"].ids == here.ids


def test_a_gallery_whose_licence_forbids_it_needs_to_be_asked_for(hub: Hub, gallery: Path):
    about = json.loads((gallery / MANIFEST).read_text())
    (gallery / MANIFEST).write_text(json.dumps(about | {"licence": "research only"}))
    with pytest.raises(ValueError, match=r"\(research only\) does not let everybody.*add --despite_licence"):
        publish_gallery(gallery, NAME)
    (gallery / MANIFEST).unlink()
    with pytest.raises(ValueError, match=r"\(not stated\) does not let everybody"):
        publish_gallery(gallery, NAME)
    assert not hub.datasets
    publish_gallery(gallery / "gallery.safetensors", NAME, private=True, despite_licence=True)
    assert "license: other" in hub.datasets["lab/faces"].files()["README.md"].decode()
    assert hub.datasets["lab/faces"].private


def test_a_manifest_of_another_file_is_not_pushed(hub: Hub, gallery: Path):
    Gallery.load(gallery).save(gallery / "part.safetensors")
    publish_gallery(gallery / "part.safetensors", NAME, despite_licence=True)
    there = hub.datasets["lab/faces"].files()
    assert "gallery.safetensors" in there and MANIFEST not in there


@pytest.mark.parametrize(
    "licence", ["CC-BY-NC-4.0", "That of the images, which this toolkit does not know.", "No licence is stated"]
)
def test_a_licence_that_is_not_known_to_allow_it_does_not(licence: str):
    assert hub_licence(licence) == "other"
