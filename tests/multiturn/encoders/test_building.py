"""Claims about encoding items into a gallery: killed, resumed, or shared by processes, it is the same file."""

import os
import random
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from multiturn import building
from multiturn.building import build_gallery, kept_gallery
from multiturn.gallery import Gallery
from multiturn.shards import Building

ROOT = Path(__file__).resolve().parents[3]
IDS = [f"item {number * 37 % 100:03d}" for number in range(50)]
TEXTS = [f"text {name}" for name in IDS]
# Slow enough to be killed, and one whose vectors depend on their neighbours in a batch, so that any other layout shows.
PROGRAM = """
import sys, time, torch
from pathlib import Path
from multiturn.building import build_gallery
from tests.multiturn.encoders.test_building import IDS, TEXTS, Neighbours

class Slow(Neighbours):
    def encode(self, items, batch_size=64, show_progress=False):
        time.sleep(float(sys.argv[2]))
        return super().encode(items, batch_size)

build_gallery(Slow(), TEXTS, IDS, "texts", Path(sys.argv[1]), batch_size=3, shard_size=4, show_progress=False)
"""


class Neighbours:
    """Two numbers of a text, and the first of its batch, which no real encoder should add."""

    dim = 3

    def __init__(self, fingerprint: str = "neighbours") -> None:
        self.fingerprint, self.encoded = fingerprint, 0

    def encode(self, items, batch_size=64, show_progress=False):
        self.encoded += len(items)
        sums = [sum(map(ord, item)) for item in items]
        firsts = [sums[row // batch_size * batch_size] for row in range(len(items))]
        rows = zip(sums, firsts, items, strict=True)
        return torch.tensor([[float(own), float(first), float(len(item))] for own, first, item in rows])


def build(output: Path, encoder: Neighbours | None = None, texts: list[str] = TEXTS, **options) -> Gallery:
    chosen: dict[str, Any] = dict(batch_size=3, shard_size=4, show_progress=False) | options
    return build_gallery(encoder or Neighbours(), texts, IDS, "texts", output, **chosen)


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    build(tmp_path / "whole.safetensors")
    return (tmp_path / "whole.safetensors").read_bytes()


def interrupted(output: Path, after: int, **options) -> None:
    """Build until `after` shards are written."""

    class Failing(Neighbours):
        def encode(self, items, batch_size=64, show_progress=False):
            if self.encoded >= 4 * after:
                raise KeyboardInterrupt
            return super().encode(items, batch_size)

    with pytest.raises(KeyboardInterrupt):
        build(output, Failing(), **options)


def test_the_gallery_holds_each_item_s_vector_under_its_id(tmp_path: Path):
    gallery = build(tmp_path / "g")
    for name, text in zip(IDS, TEXTS, strict=True):
        assert gallery.vectors[int(gallery.positions([name]))][0] == sum(map(ord, text))
    assert gallery.fingerprint == "neighbours" and gallery.source == "texts"
    assert [path.name for path in tmp_path.iterdir()] == ["g"]


@pytest.mark.parametrize("after", [0, 1, 7, 12])
def test_an_interrupted_and_resumed_gallery_is_the_same_file_and_encodes_only_the_rest(after, tmp_path, whole: bytes):
    interrupted(tmp_path / "g", after)
    assert not (tmp_path / "g").exists()
    encoder = Neighbours()
    build(tmp_path / "g", encoder)
    assert encoder.encoded == 50 - 4 * after
    assert (tmp_path / "g").read_bytes() == whole
    assert not (tmp_path / "g.shards").exists()


@pytest.mark.parametrize(
    "change",
    [dict(batch_size=2), dict(shard_size=5), dict(encoder=Neighbours("other"))],
)
def test_shards_made_under_another_plan_are_not_used_and_what_that_costs_is_said(change: dict, tmp_path: Path, capsys):
    interrupted(tmp_path / "g", 3)
    encoder = change.pop("encoder", Neighbours())
    build(tmp_path / "g", encoder, **change)
    assert encoder.encoded == 50
    assert "12 finished items are encoded again: encoder, batch or shard size" in capsys.readouterr().err


def grown(name: str, text: str) -> tuple[list[str], list[str]]:
    """Texts and ids with one more."""
    return [*TEXTS, text], [*IDS, name]


@pytest.mark.parametrize(("name", "kept"), [("zebra", 12), ("item 009", 4), ("a", 0)])
def test_after_a_kill_data_that_has_grown_goes_on_from_the_shards_before_the_new_item(
    name: str, kept: int, tmp_path: Path, capsys
):
    interrupted(tmp_path / "g", 3)
    options = dict(batch_size=3, shard_size=4, show_progress=False)
    again, fresh = Neighbours(), Neighbours()
    build_gallery(again, *grown(name, "one more"), "texts", tmp_path / "g", **options)  # type: ignore[arg-type]
    build_gallery(fresh, *grown(name, "one more"), "texts", tmp_path / "fresh", **options)  # type: ignore[arg-type]
    assert again.encoded == 51 - kept
    assert (tmp_path / "g").read_bytes() == (tmp_path / "fresh").read_bytes()
    said = capsys.readouterr().err
    assert said == "" if kept == 12 else f"{12 - kept} finished items are encoded again: items before them" in said


def test_a_shard_with_an_item_that_has_changed_is_made_again_and_no_other(tmp_path: Path):
    interrupted(tmp_path / "g", 12)
    encoder, changed = Neighbours(), [*TEXTS[:-1], "other"]
    build(tmp_path / "g", encoder, changed)
    build(tmp_path / "fresh", texts=changed)
    assert encoder.encoded == 50 - 4 * 11
    assert (tmp_path / "g").read_bytes() == (tmp_path / "fresh").read_bytes()


class Busy(Neighbours):
    """Tries to build the same gallery while it is built."""

    def __init__(self, output: Path) -> None:
        super().__init__()
        self.output, self.refused = output, ""

    def encode(self, items, batch_size=64, show_progress=False):
        if not self.refused:
            with pytest.raises(ValueError, match="another process is writing") as refused:
                build(self.output, batch_size=2)
            self.refused = str(refused.value)
        return super().encode(items, batch_size)


def test_a_second_build_of_one_gallery_is_refused_and_harms_nothing(tmp_path: Path, whole: bytes):
    encoder = Busy(tmp_path / "g")
    build(tmp_path / "g", encoder)
    assert f"{tmp_path / 'g'}; wait until it has ended" in encoder.refused
    assert (tmp_path / "g").read_bytes() == whole and not (tmp_path / "g.shards").exists()


def test_more_shards_than_a_process_may_have_open_files_are_merged(tmp_path: Path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) + 20, hard))
    try:
        assert len(build(tmp_path / "g", shard_size=1)) == 50
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_gallery_that_is_there_is_read_and_not_made_again(tmp_path: Path):
    build(tmp_path / "g")
    stamp, again = (tmp_path / "g").stat(), Neighbours()
    build(tmp_path / "g", again)
    assert again.encoded == 0 and (tmp_path / "g").stat().st_mtime_ns == stamp.st_mtime_ns


def test_a_gallery_of_another_encoder_is_refused_with_the_remedy_and_stays(tmp_path: Path, whole: bytes):
    build(tmp_path / "g")
    other = Neighbours("other")
    with pytest.raises(ValueError, match=r"made by encoder 'neighbours', not 'other'; overwrite it"):
        build(tmp_path / "g", other)
    assert other.encoded == 0 and (tmp_path / "g").read_bytes() == whole


def test_the_order_of_the_items_does_not_matter(tmp_path: Path, whole: bytes):
    order = random.Random(0).sample(range(50), 50)
    options = dict(batch_size=3, shard_size=4, show_progress=False)
    shuffled = ([TEXTS[place] for place in order], [IDS[place] for place in order])
    build_gallery(Neighbours(), *shuffled, "texts", tmp_path / "g", **options)  # type: ignore[arg-type]
    assert (tmp_path / "g").read_bytes() == whole


@pytest.mark.parametrize(
    ("ids", "message"),
    [(["a", "b", "a"], "two items have the id 'a'"), (["a", "b"], "2 ids for 3 items")],
)
def test_wrong_ids_are_refused_before_anything_is_encoded(ids: list[str], message: str, tmp_path: Path):
    encoder = Neighbours()
    with pytest.raises(ValueError, match=message):
        build_gallery(encoder, ["x", "y", "z"], ids, "texts", tmp_path / "g")
    assert encoder.encoded == 0


def test_a_vector_that_is_not_finite_names_its_item(tmp_path: Path):
    class Broken(Neighbours):
        def encode(self, items, batch_size=64, show_progress=False):
            vectors = super().encode(items, batch_size)
            vectors[[item == "text item 010" for item in items]] = torch.nan
            return vectors

    with pytest.raises(ValueError, match="the vector of 'item 010' holds NaN"):
        build(tmp_path / "g", Broken())


def test_a_damaged_shard_is_named(tmp_path: Path):
    interrupted(tmp_path / "g", 12)
    shard = next((tmp_path / "g.shards").rglob("000003.safetensors"))
    shard.write_bytes(shard.read_bytes()[:20])
    with pytest.raises(ValueError, match=r"000003\.safetensors is damaged.*delete it and run again"):
        build(tmp_path / "g")


def finished(output: Path) -> int:
    return len(list(output.parent.glob(f"{output.name}.shards/*/*.safetensors")))


def program(folder: Path) -> list[str]:
    (folder / "program.py").write_text(PROGRAM)
    return [str(folder / "program.py")]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@pytest.mark.slow
def test_a_gallery_killed_at_random_and_resumed_is_the_same_file(tmp_path: Path, whole: bytes):
    draw, output = random.Random(0), tmp_path / "killed" / "g"
    command = [sys.executable, *program(tmp_path), str(output), "0.05"]
    kills = 0
    while not output.exists():
        with subprocess.Popen(command, env=environment()) as victim:
            wanted = finished(output) + draw.randint(1, 4)
            deadline = time.monotonic() + 60
            while finished(output) < wanted and victim.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.005)
            time.sleep(draw.uniform(0, 0.2))
            kills += victim.poll() is None
            victim.kill()
    assert kills >= 2
    subprocess.check_call(command, env=environment())
    assert output.read_bytes() == whole
    assert [path.name for path in output.parent.iterdir()] == ["g"]


def test_features_of_a_training_that_is_killed_go_on_from_their_last_shard(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(building, "Building", partial(Building, shard_size=4))
    path, source = tmp_path / "train.safetensors", "texts, train part"

    class Failing(Neighbours):
        def encode(self, items, batch_size=64, show_progress=False):
            if self.encoded >= 40:
                raise KeyboardInterrupt
            return super().encode(items, batch_size)

    with pytest.raises(KeyboardInterrupt):
        kept_gallery(Failing(), TEXTS, IDS, source, path, 3)
    again = Neighbours()
    made = kept_gallery(again, TEXTS, IDS, source, path, 3)
    assert again.encoded == 10 and len(made) == 50 and made.source == source
    read = Neighbours()
    assert torch.equal(kept_gallery(read, TEXTS, IDS, source, path, 3).vectors, made.vectors) and read.encoded == 0
    other = Neighbours("another encoder")
    assert kept_gallery(other, TEXTS, IDS, source, path, 3).fingerprint == "another encoder" and other.encoded == 50


TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


@pytest.mark.slow
def test_two_processes_make_the_same_file_as_one(tmp_path: Path, whole: bytes):
    # `accelerate launch --cpu` starts one process whatever it is told; torchrun is what it calls for several.
    env = environment() | {"ACCELERATE_USE_CPU": "true"}
    subprocess.check_call([*TORCHRUN, *program(tmp_path), str(tmp_path / "g"), "0"], env=env, timeout=120)
    assert (tmp_path / "g").read_bytes() == whole
