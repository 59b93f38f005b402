import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from multiturn.hub import HubName, local_checkpoint, local_gallery
from multiturn.hub.pushing import push
from tests.hub_server import TOKEN, Hub, running_hub, use

Push = Callable[..., str]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub() as found:
        use(found, tmp_path / "cache", monkeypatch)
        monkeypatch.chdir(tmp_path)
        yield found


@pytest.fixture
def pushed(hub: Hub, tmp_path: Path) -> Push:
    """Push files of these contents to lab/model; returns the commit."""

    def push_files(files: dict[str, str], name: str = "lab/model", kind: str = "model", **options: bool) -> str:
        source = tmp_path / "source"
        for file, content in files.items():
            (source / file).parent.mkdir(parents=True, exist_ok=True)
            (source / file).write_text(content)
        done = push({file: source / file for file in files}, HubName.of(name), kind, "a push", **options)  # type: ignore
        assert done.name.revision is not None
        return done.name.revision

    return push_files


def files_in(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


RUN = {"config.json": "{}", "model.safetensors": "weights", "encoder/model.safetensors": "more", "figures/r.png": "png"}


def test_what_was_pushed_is_found_in_a_fresh_cache_without_what_is_not_read(pushed: Push):
    pushed(RUN)
    found = files_in(local_checkpoint("lab/model"))
    assert sorted(found) == ["config.json", "encoder/model.safetensors", "files.json", "model.safetensors"]
    assert {name: found[name] for name in found if name in RUN} == {n: RUN[n] for n in found if n in RUN}


def test_a_push_leaves_nothing_of_the_one_before(hub: Hub, pushed: Push):
    pushed(RUN)
    pushed({"config.json": "{}"})
    assert sorted(hub.models["lab/model"].files()) == [".gitattributes", "config.json", "files.json"]


def test_a_folder_of_the_same_name_wins(hub: Hub, pushed: Push):
    pushed(RUN)
    hub.asked.clear()
    Path("lab/model").mkdir(parents=True)
    assert local_checkpoint("lab/model") == Path("lab/model")
    assert hub.asked == []


def test_an_older_revision_is_found_by_its_commit_or_branch(pushed: Push):
    first = pushed({"config.json": "1"}, "lab/model@v1")
    pushed({"config.json": "2"})
    for revision, content in ((first, "1"), ("v1", "1"), ("main", "2")):
        assert files_in(local_checkpoint(f"lab/model@{revision}"))["config.json"] == content


def test_a_gallery_is_a_data_set(hub: Hub, pushed: Push):
    pushed({"gallery.safetensors": "vectors", "labels.csv": "id"}, "lab/faces", "dataset")
    assert "lab/faces" in hub.datasets and not hub.models
    assert sorted(files_in(local_gallery("lab/faces"))) == ["files.json", "gallery.safetensors", "labels.csv"]
    with pytest.raises(FileNotFoundError, match=r"no gallery at \./nowhere; it is a folder that python -m data_prep"):
        local_gallery("./nowhere")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.safetensors", b"WEIGHTS", r"model\.safetensors of lab/model is not the file that was pushed.*SHA-256"),
        ("model.safetensors", b"w", r"model\.safetensors of lab/model has 1 bytes, files\.json says 7"),
        ("encoder/model.safetensors", None, r"lab/model lacks encoder/model\.safetensors"),
        ("files.json", None, r"lab/model has no files\.json.*push it with python -m eval\.push"),
        ("files.json", b"no json", r"files\.json of lab/model cannot be read"),
        ("files.json", b'{"schema": 2, "files": {}}', r"cannot be read \(schema 2, not 1\)"),
        (
            "files.json",
            json.dumps({"schema": 1, "files": {"../../x.json": {"size": 0, "sha256": ""}}}).encode(),
            r"names '\.\./\.\./x\.json', which lies outside",
        ),
    ],
)
def test_a_file_that_is_not_what_was_pushed_is_refused_by_name(
    name: str, content: bytes | None, message: str, hub: Hub, pushed: Push
):
    pushed(RUN)
    hub.models["lab/model"].replace(name, content)
    with pytest.raises(ValueError, match=message):
        local_checkpoint("lab/model")


def test_a_file_that_was_changed_in_the_cache_is_refused(pushed: Push):
    pushed(RUN)
    path = local_checkpoint("lab/model") / "model.safetensors"
    path.resolve().write_text("WEIGHTS")
    with pytest.raises(ValueError, match=r"model\.safetensors of lab/model is not the file that was pushed"):
        local_checkpoint("lab/model")


def test_a_file_that_nobody_listed_is_not_downloaded_and_refused_where_it_lies(hub: Hub, pushed: Push):
    pushed(RUN)
    hub.models["lab/model"].replace("single-state/config.json", b"{}")
    folder = local_checkpoint("lab/model")
    assert not (folder / "single-state").exists()
    (folder / "single-state").mkdir()
    (folder / "single-state" / "config.json").write_text("{}")
    with pytest.raises(
        ValueError, match=r"lab/model has single-state/config\.json, which its files\.json does not list"
    ):
        local_checkpoint("lab/model")


def test_pickles_and_code_are_never_downloaded(hub: Hub, pushed: Push):
    bad = ("pytorch_model.bin", "best.pt", "model.pkl", "modeling.py", "weights.ckpt", "table.npz")
    pushed(RUN | dict.fromkeys(bad, "not to be read"))
    folder = local_checkpoint("lab/model")
    assert not [name for name in bad if (folder / name).exists()]
    asked = [line for line in hub.asked if "/resolve/" in line]
    assert asked and not [line for line in asked if line.endswith(bad)]


def test_without_a_network_the_cache_is_enough(pushed: Push, hub: Hub, monkeypatch: pytest.MonkeyPatch):
    pushed(RUN)
    online = local_checkpoint("lab/model")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    hub.asked.clear()
    assert local_checkpoint("lab/model") == online
    assert hub.asked == []


def test_offline_and_not_in_the_cache_is_said_with_the_command_that_helps(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        FileNotFoundError,
        match=r"no checkpoint called 'lab/model@v1' in a folder or in the Hub's cache, and HF_HUB_OFFLINE is set; "
        r"unset it.*\(hf download lab/model --revision v1\)",
    ):
        local_checkpoint("lab/model@v1")
    assert hub.asked == []


def test_a_hub_that_cannot_be_reached_is_said_to_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with running_hub() as hub:
        use(hub, tmp_path, monkeypatch)
    with pytest.raises(
        FileNotFoundError, match=r"http://127\S+ cannot be reached; try again.*\(hf download lab/model\)"
    ):
        local_checkpoint("lab/model")


def test_a_repository_or_revision_that_is_not_there_is_said_to_be(pushed: Push, hub: Hub):
    pushed(RUN)
    with pytest.raises(
        FileNotFoundError, match=r"no checkpoint called 'lab/none', neither as a folder.*correct the name"
    ):
        local_checkpoint("lab/none")
    with pytest.raises(
        FileNotFoundError, match=r"lab/model has no revision 'v9'; http://\S+/lab/model/commits/main lists"
    ):
        local_checkpoint("lab/model@v9")


@pytest.mark.parametrize("name", ["nowhere", "./lab/model", "lab/a/b", "lab/model@", "-lab/model", "lab/a--b"])
def test_what_is_neither_a_folder_nor_a_name_on_the_hub_is_not_looked_for(name: str, hub: Hub):
    with pytest.raises(FileNotFoundError, match=r"give an output folder of train\.py, or ORG/NAME"):
        local_checkpoint(name)
    assert hub.asked == []


def test_private_and_gated_repositories_say_how_to_log_in(pushed: Push, hub: Hub, monkeypatch: pytest.MonkeyPatch):
    pushed(RUN, private=True)
    assert hub.models["lab/model"].private
    monkeypatch.setenv("HF_TOKEN", "of_somebody_else")
    with pytest.raises(FileNotFoundError, match="where it is private, log in with hf auth login"):
        local_checkpoint("lab/model")
    hub.models["lab/model"].private, hub.models["lab/model"].gated = False, True
    with pytest.raises(
        PermissionError, match=r"lab/model is gated; ask for access at http://\S+/lab/model, then log in"
    ):
        local_checkpoint("lab/model")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert local_checkpoint("lab/model").is_dir()


def test_pushing_without_a_right_to_says_how_to_log_in(pushed: Push, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_TOKEN", "of_somebody_else")
    with pytest.raises(PermissionError, match=r"refuses access to lab/model \(401\); log in with hf auth login"):
        pushed(RUN)


def test_a_hub_that_fails_is_said_to(pushed: Push, hub: Hub):
    hub.failing = 418
    with pytest.raises(OSError, match=r"http://127\S+ failed on lab/model \(.*418.*\); try again later"):
        pushed(RUN)
