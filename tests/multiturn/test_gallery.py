"""Claims about galleries: they check themselves, and a file of one is whole or is not there."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from multiturn import gallery as gallery_module
from multiturn.gallery import Gallery
from multiturn.gallery_files import GalleryFile, Table, writing
from multiturn.regions import Regions

SAVES_FOR_EVER = """
import sys
from pathlib import Path
import torch
from multiturn.gallery import Gallery
from multiturn.regions import Regions
galleries = [Gallery.of([f"{i:05d}" for i in range(n)], torch.full((n, 16), float(n)), "f", "s") for n in (500, 900)]
print("ready", flush=True)
while True:
    for gallery in galleries:
        gallery.save(Path(sys.argv[1]))
"""

SAVES_ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
import torch
from multiturn.gallery import Gallery
from multiturn.regions import Regions
from multiturn.training import save_weights
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
gallery = Gallery.of([str(i) for i in range(1000)], torch.zeros(1000, 64), "f", "s")
for save in (lambda: gallery.save(folder / "gallery"), lambda: save_weights(torch.nn.Linear(99, 99), folder / "net")):
    try:
        save()
    except OSError as reason:
        print(reason)
"""


def small(**changes) -> Gallery:
    return Gallery.of(
        **{"ids": ["b", "a"], "vectors": torch.tensor([[1.0], [2.0]]), "fingerprint": "f", "source": "s"} | changes
    )


def test_candidates_are_sorted_by_id_and_take_their_vectors_along():
    gallery = small()
    assert gallery.ids == ("a", "b")
    assert gallery.vectors.tolist() == [[2.0], [1.0]]
    assert gallery.positions(["b", "a", "b"]).tolist() == [1, 0, 1]


def test_positions_of_no_ids_are_whole_numbers():
    assert small().positions([]).dtype == torch.long


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ids": ["a", "a"]}, "'a' appears twice"),
        ({"ids": ["a", "b", "c"]}, "3 ids for 2 vectors"),
        ({"ids": ["a"], "vectors": torch.zeros(1, 1)}, "at least two"),
        ({"vectors": torch.tensor([[1.0], [torch.nan]])}, "1 of 2 .* the first that of 'a'"),
        ({"vectors": torch.tensor([[torch.inf], [torch.nan]])}, "2 of 2 .* the first that of 'a'"),
    ],
)
def test_a_gallery_that_cannot_be_is_refused(changes, reason):
    with pytest.raises(ValueError, match=reason):
        small(**changes)


def test_ids_out_of_order_are_sent_to_the_sorting_constructor():
    with pytest.raises(ValueError, match=re.escape("'b' comes before 'a'; use Gallery.of")):
        Gallery(("b", "a"), torch.zeros(2, 1), "f", "s")


def test_one_region_that_is_not_finite_names_its_candidate():
    vectors = torch.zeros(3, 4, 2)
    vectors[1, 3, 0] = torch.nan
    with pytest.raises(ValueError, match="'y'"):
        Gallery.of(["x", "y", "z"], Regions.of(list(vectors), None), "f", "s")


def test_an_unknown_id_is_named():
    with pytest.raises(ValueError, match="'q' is not in the gallery of 2"):
        small().positions(["a", "q"])


def test_a_gallery_of_another_encoder_is_refused_with_a_remedy():
    with pytest.raises(ValueError, match=r"'f'.*'other'.*encode the gallery again"):
        small().check_made_by("other")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_a_gallery_survives_its_file_to_the_last_bit(tmp_path: Path, dtype):
    ids = ["été.jpg", "000002.jpg", 'quote".jpg']
    regions = Regions.of(list(torch.randn(3, 2, 5).to(dtype)), None)
    gallery = Gallery.of(ids, regions, "résnet@1", "three faces")
    gallery.save(tmp_path / "deep" / "faces.safetensors")
    read = Gallery.load(tmp_path / "deep" / "faces.safetensors", made_by="résnet@1")
    assert (read.ids, read.fingerprint, read.source) == (gallery.ids, gallery.fingerprint, gallery.source)
    assert torch.equal(read.vectors, gallery.vectors)
    assert read.vectors.dtype == dtype


def test_vectors_that_are_a_view_are_saved_as_they_look(tmp_path: Path):
    gallery = Gallery.of(["a", "b", "c"], torch.arange(6.0).view(2, 3).T, "f", "s")
    gallery.save(tmp_path / "g")
    assert torch.equal(Gallery.load(tmp_path / "g").vectors, gallery.vectors)


def test_loading_for_another_encoder_is_refused(tmp_path: Path):
    small().save(tmp_path / "g")
    with pytest.raises(ValueError, match="made by encoder 'f'"):
        Gallery.load(tmp_path / "g", made_by="other")


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path):
    small().save(tmp_path / "g")
    whole = (tmp_path / "g").read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / "g").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="not a whole gallery file"):
            Gallery.load(tmp_path / "g")


@pytest.mark.parametrize("content", [b"", b"id,vector\n1,2\n" * 9, b"\0" * 99, b"PK\x03\x04" * 50, b'{"schema": 1}'])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content):
    (tmp_path / "g").write_bytes(content)
    with pytest.raises(ValueError, match="make it again"):
        Gallery.load(tmp_path / "g")


def test_weights_are_no_gallery(tmp_path: Path):
    from safetensors.torch import save_file

    save_file({"vectors": torch.zeros(2, 2)}, tmp_path / "g")
    with pytest.raises(ValueError, match="not a gallery of schema"):
        Gallery.load(tmp_path / "g")
    save_file({"weight": torch.zeros(2, 2)}, tmp_path / "g")
    with pytest.raises(ValueError, match="not a gallery of schema"):
        Gallery.load(tmp_path / "g")


def test_a_missing_file_is_not_found(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="no gallery at"):
        Gallery.load(tmp_path / "g")


def test_a_gallery_stays_itself_on_its_own_device():
    gallery = small()
    assert gallery.to("cpu") is gallery


@pytest.mark.slow
def test_a_file_that_is_saved_over_and_over_is_whole_whenever_the_saver_is_killed(tmp_path: Path):
    path, chance = tmp_path / "g", random.Random(0)
    for _ in range(5):
        saver = subprocess.Popen([sys.executable, "-c", SAVES_FOR_EVER, str(path)], stdout=subprocess.PIPE, text=True)
        assert saver.stdout is not None
        saver.stdout.readline()
        while not path.exists():
            time.sleep(0.001)
        time.sleep(chance.random() * 0.05)
        saver.send_signal(signal.SIGKILL)
        saver.wait()
        saver.stdout.close()
        gallery = Gallery.load(path)
        assert len(gallery) in (500, 900)
        assert bool((gallery.vectors == len(gallery)).all())


@pytest.mark.slow
def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path: Path):
    small().save(tmp_path / "gallery")
    (tmp_path / "net").write_bytes(b"old")
    said = subprocess.check_output([sys.executable, "-c", SAVES_ON_A_FULL_DISK, str(tmp_path)], text=True)
    assert said.count("could not be written") == 2
    assert said.count("File too large") == 2
    assert Gallery.load(tmp_path / "gallery").ids == ("a", "b")
    assert (tmp_path / "net").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gallery", "net"]


def test_a_folder_is_loaded_by_the_gallery_in_it(tmp_path: Path):
    small().save(tmp_path / "runs" / "gallery.safetensors")
    assert Gallery.load(tmp_path / "runs").ids == ("a", "b")
    with pytest.raises(FileNotFoundError, match=r"no gallery at .*gallery\.safetensors"):
        Gallery.load(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_vectors_of_a_loaded_gallery_lie_in_its_file(tmp_path: Path):
    Gallery.of(["a", "b"], torch.ones(2, 100_000), "f", "s").save(tmp_path / "mapped.safetensors")
    gallery = Gallery.load(tmp_path / "mapped.safetensors")
    places = [
        line.split()[0].split("-") for line in Path("/proc/self/maps").read_text().splitlines() if "mapped." in line
    ]
    start = gallery.vectors.data_ptr()
    assert any(int(first, 16) <= start < int(last, 16) for first, last in places)


def numbered(name: str, number: float, size: int = 300) -> Gallery:
    """A gallery whose ids tell its vectors."""
    return Gallery.of([f"{name}{place:03d}" for place in range(size)], torch.full((size, 4), number), "f", name)


def test_rows_come_from_the_file_whose_ids_were_read_also_where_another_takes_its_place(tmp_path: Path):
    numbered("a", 1.0).save(tmp_path / "g")
    file = GalleryFile(tmp_path / "g")
    numbered("b", 2.0, 500).save(tmp_path / "g")
    assert file.ids[0] == "a000" and bool((file.read("vectors", 0, 300) == 1.0).all())
    assert bool((file.mapped("vectors") == 1.0).all())


def test_a_gallery_that_is_replaced_between_its_header_and_its_vectors_is_loaded_as_one(tmp_path: Path, monkeypatch):
    numbered("a", 1.0).save(tmp_path / "g")

    class Replaced(GalleryFile):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            numbered("b", 2.0, 500).save(path)

    monkeypatch.setattr(gallery_module, "GalleryFile", Replaced)
    read = Gallery.load(tmp_path / "g")
    assert read.ids[0] == "a000" and bool((read.vectors == 1.0).all())


def test_a_gallery_that_is_dropped_leaves_no_file_open(tmp_path: Path):
    small().save(tmp_path / "g")
    before = len(os.listdir("/dev/fd"))
    for _ in range(20):
        GalleryFile(tmp_path / "g")
        assert Gallery.load(tmp_path / "g").ids == ("a", "b")
    assert len(os.listdir("/dev/fd")) == before


def test_a_table_that_lies_elsewhere_than_the_header_says_is_refused(tmp_path: Path):
    small().save(tmp_path / "g")
    whole = (tmp_path / "g").read_bytes()
    for wrong in (whole.replace(b"[0, 8]", b"[0, 4]"), whole.replace(b"[0, 8]", b"[4, 8]"), whole + b"1234"):
        (tmp_path / "g").write_bytes(wrong)
        with pytest.raises(ValueError, match=r"not a whole gallery file.*make it again"):
            GalleryFile(tmp_path / "g")


def test_a_loaded_gallery_is_saved_with_the_digests_and_what_was_left_out(tmp_path: Path):
    tables = {"vectors": Table(torch.float32, (1,)), "digests": Table(torch.uint8, (8,))}
    with writing(tmp_path / "g", ["a", "b"], "f", "s", tables, {"c": ("no face was found", "00" * 8)}) as file:
        file.append({"vectors": torch.ones(2, 1), "digests": torch.arange(16, dtype=torch.uint8).view(2, 8)})
    Gallery.load(tmp_path / "g").save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "g").read_bytes()
