"""Claims about galleries whose data changes, whose items are bad, and whose vectors are regions, faces or halves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from multiturn.building import Built, build
from multiturn.encoders.faces import FaceEncoding
from multiturn.gallery import Gallery
from multiturn.regions import Regions
from multiturn.shards import Building
from tests.multiturn.encoders.test_building import IDS, TEXTS, Neighbours
from tests.multiturn.encoders.tiny import pictures

ROOT = Path(__file__).resolve().parents[3]
MORE, MORE_TEXTS = ["item 000a", "item 050b", "zebra"], ["one more", "and one", "a zebra"]


def make(output: Path, ids=IDS, texts=TEXTS, encoder=None, **options) -> Built:
    how = Building(batch_size=3, shard_size=4, show_progress=False, **options)
    return build(encoder or Neighbours(), texts, ids, "texts", output, how)


def test_items_that_are_added_are_all_that_is_encoded_and_the_others_keep_their_vectors(tmp_path: Path):
    make(tmp_path / "g")
    before, encoder = Gallery.load(tmp_path / "g"), Neighbours()
    built = make(tmp_path / "g", [*MORE, *IDS], [*MORE_TEXTS, *TEXTS], encoder)
    after = Gallery.load(tmp_path / "g")
    assert encoder.encoded == 3 and str(built) == "50 kept, 3 new"
    assert list(after.ids) == sorted([*IDS, *MORE])
    assert torch.equal(after.vectors[after.positions(before.ids)], before.vectors)
    assert after.vectors[int(after.positions(["zebra"]))][0] == sum(map(ord, "a zebra"))


def test_growing_that_was_interrupted_leaves_the_old_gallery_and_ends_in_the_same_file(tmp_path: Path):
    class Failing(Neighbours):
        def encode(self, items, batch_size=64, show_progress=False):
            if self.encoded:
                raise KeyboardInterrupt
            return super().encode(items, batch_size)

    more = [f"new {number}" for number in range(9)]
    grown = dict(ids=[*IDS, *more], texts=[*TEXTS, *more])
    for name in ("whole", "killed"):
        make(tmp_path / name)
    old = (tmp_path / "killed").read_bytes()
    make(tmp_path / "whole", **grown)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "killed", encoder=Failing(), **grown)
    assert (tmp_path / "killed").read_bytes() == old
    rest = Neighbours()
    make(tmp_path / "killed", encoder=rest, **grown)
    assert rest.encoded == 5
    assert (tmp_path / "killed").read_bytes() == (tmp_path / "whole").read_bytes()


def test_items_that_are_gone_stay_until_they_are_dropped(tmp_path: Path):
    make(tmp_path / "g")
    built = make(tmp_path / "g", IDS[5:], TEXTS[5:])
    assert built.candidates == 50 and "5 that the data lacks kept (--drop_removed drops them)" in str(built)
    encoder = Neighbours()
    built = make(tmp_path / "g", IDS[5:], TEXTS[5:], encoder, drop_removed=True)
    assert str(built) == "45 kept, 0 new, 5 that the data lacks dropped" and encoder.encoded == 0
    assert list(Gallery.load(tmp_path / "g").ids) == sorted(IDS[5:])


def test_an_item_whose_content_has_changed_is_encoded_again(tmp_path: Path):
    make(tmp_path / "g")
    encoder = Neighbours()
    built = make(tmp_path / "g", IDS, [*TEXTS[:-1], "another text"], encoder)
    gallery = Gallery.load(tmp_path / "g")
    assert str(built) == "49 kept, 0 new, 1 changed and encoded again" and encoder.encoded == 1
    assert gallery.vectors[int(gallery.positions([IDS[-1]]))][0] == sum(map(ord, "another text"))


def test_overwriting_encodes_everything_with_another_encoder(tmp_path: Path):
    make(tmp_path / "g")
    other = Neighbours("other")
    make(tmp_path / "g", encoder=other, overwrite=True)
    assert other.encoded == 50 and Gallery.load(tmp_path / "g").fingerprint == "other"


def test_data_that_shares_no_id_with_the_gallery_is_refused(tmp_path: Path):
    make(tmp_path / "g")
    with pytest.raises(ValueError, match=r"holds none of these 3 items; overwrite it"):
        make(tmp_path / "g", MORE, MORE_TEXTS)


def test_another_dtype_is_refused_and_halves_are_stored_rounded(tmp_path: Path):
    make(tmp_path / "g", dtype="float16")
    vectors = Gallery.load(tmp_path / "g").vectors
    make(tmp_path / "whole")
    assert vectors.dtype == torch.float16
    assert torch.equal(vectors, Gallery.load(tmp_path / "whole").vectors.half())
    with pytest.raises(ValueError, match=r"holds torch\.float16, not float32"):
        make(tmp_path / "g")


def test_a_vector_that_halves_cannot_hold_names_its_item(tmp_path: Path):
    class Large(Neighbours):
        def encode(self, items, batch_size=64, show_progress=False):
            return super().encode(items, batch_size) * 1e3

    with pytest.raises(ValueError, match=r"the vector of 'item \d+' is too large for float16.*store float32"):
        make(tmp_path / "g", encoder=Large(), dtype="float16")


def test_a_gallery_that_was_saved_without_contents_is_not_added_to(tmp_path: Path):
    Gallery.of(IDS, torch.ones(50, 3), "neighbours", "texts").save(tmp_path / "g")
    with pytest.raises(ValueError, match="does not tell of which content"):
        make(tmp_path / "g")


class Cells:
    """Two regions a text, the second masked where the text is short."""

    dim, fingerprint = 2, "cells"

    def encode(self, items, batch_size=64, show_progress=False):
        mask = torch.tensor([[True, len(item) > 12] for item in items])
        vectors = torch.tensor([[[float(len(item)), 1.0], [float(sum(map(ord, item))), 2.0]] for item in items])
        boxes = torch.tensor([[0.0, 0.0, 0.5, 1.0], [0.5, 0.0, 1.0, 1.0]]).expand(len(items), 2, 4)
        return Regions(vectors * mask[:, :, None], boxes * mask[:, :, None], mask)


def test_regions_keep_their_mask_and_boxes_also_when_items_are_added(tmp_path: Path):
    make(tmp_path / "g", encoder=Cells())
    make(tmp_path / "g", [*IDS, *MORE], [*TEXTS, *MORE_TEXTS], Cells())
    gallery = Gallery.load(tmp_path / "g")
    texts = dict(zip([*IDS, *MORE], [*TEXTS, *MORE_TEXTS], strict=True))
    wanted = Gallery.of([*texts], Cells().encode([*texts.values()]), "cells", "texts")
    assert gallery.mask is not None and wanted.mask is not None and torch.equal(gallery.mask, wanted.mask)
    assert gallery.boxes is not None and wanted.boxes is not None and torch.equal(gallery.boxes, wanted.boxes)
    assert torch.equal(gallery.vectors, wanted.vectors)


class Faces:
    """Finds a face in pictures that are higher than 43 pixels."""

    dim, fingerprint = 1, "faces"

    def __init__(self) -> None:
        self.searched = 0

    def encode(self, items, batch_size=64, show_progress=False):
        raise AssertionError("encode_faces lists the pictures without a face")

    def encode_faces(self, items, batch_size=64, show_progress=False):
        self.searched += len(items)
        heights = {row["id"]: row["image"].height for row in items}
        found = [name for name in heights if heights[name] > 43]
        vectors = torch.tensor([[float(heights[name])] for name in found]).reshape(-1, 1)
        boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0]] * len(found)).reshape(-1, 4)
        without = tuple(name for name in heights if name not in found)
        return FaceEncoding(tuple(found), vectors, boxes, (1,) * len(found), without)


def test_pictures_without_a_face_are_left_out_listed_and_not_searched_again(tmp_path: Path):
    images = pictures(7)
    names = [f"picture {name}" for name in images["id"]]
    built = make(tmp_path / "g", names, images, Faces())
    assert built.left_out == {f"picture p{number}.png": "no face was found" for number in (0, 1)}
    assert str(built) == "0 kept, 5 new, 2 left out (no face was found)"
    assert Gallery.load(tmp_path / "g").vectors.flatten().tolist() == [46, 49, 52, 55, 58]
    again = Faces()
    assert make(tmp_path / "g", names, images, again).left_out == built.left_out
    assert again.searched == 0


def test_new_items_alone_are_added_to_a_gallery_also_a_single_one(tmp_path: Path):
    make(tmp_path / "g")
    before, encoder = Gallery.load(tmp_path / "g"), Neighbours()
    built = make(tmp_path / "g", ["zebra"], ["a zebra"], encoder, append=True)
    after = Gallery.load(tmp_path / "g")
    assert (encoder.encoded, built.candidates, str(built)) == (
        1,
        51,
        "50 kept, 1 new",
    ) and after.source == before.source
    assert torch.equal(after.vectors[after.positions(before.ids)], before.vectors)
    stamp = (tmp_path / "g").stat().st_mtime_ns
    assert not make(tmp_path / "g", ["zebra"], ["a zebra"], append=True).written
    assert (tmp_path / "g").stat().st_mtime_ns == stamp


def test_items_are_not_added_under_the_ids_of_others(tmp_path: Path):
    make(tmp_path / "g")
    before = (tmp_path / "g").read_bytes()
    with pytest.raises(ValueError, match=r"1 items to be added have ids that are there.*'item 000'; give them other"):
        make(tmp_path / "g", ["item 000", "zebra"], ["another text", "a zebra"], append=True)
    assert (tmp_path / "g").read_bytes() == before
    with pytest.raises(ValueError, match="leave overwrite and drop_removed out"):
        Building(append=True, overwrite=True)


FULL_DISK = """
import resource, sys
from pathlib import Path
import torch
from tests.multiturn.encoders.test_building_growth import make

class Wide:
    dim, fingerprint = 1000, "wide"
    def encode(self, items, batch_size=64, show_progress=False):
        return torch.ones(len(items), 1000)

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    make(Path(sys.argv[1]), encoder=Wide())
except OSError as reason:
    print(reason)
"""

BOUNDED = """
import resource, sys
from pathlib import Path
import torch
from multiturn.building import build
from multiturn.shards import Building

class Wide:
    dim, fingerprint = 2048, "wide"
    def encode(self, items, batch_size=64, show_progress=False):
        return torch.ones(len(items), 2048) * len(items[0])

def go(output, count):
    texts = [str(number) for number in range(count)]
    build(Wide(), texts, texts, "texts", Path(sys.argv[1]) / output, Building(shard_size=1000, show_progress=False))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

print(go("small", 2000), go("large", 40000), go("large", 41000))
"""


def program(code: str, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.check_output([sys.executable, "-c", code, *arguments], env=environment, text=True)


@pytest.mark.slow
def test_a_full_disk_is_said_and_what_was_encoded_is_used_when_there_is_room(tmp_path: Path):
    # Shards fit into 30,000 bytes, the whole does not.
    said = program(FULL_DISK, str(tmp_path / "g"), "30000")
    assert "could not be written" in said and "free some space" in said
    assert not (tmp_path / "g").exists() and len(list(tmp_path.glob("g.shards/*/*.safetensors"))) == 13
    assert program(FULL_DISK, str(tmp_path / "g"), "1000000") == ""
    assert len(Gallery.load(tmp_path / "g")) == 50
    assert [path.name for path in tmp_path.iterdir()] == ["g"]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_gallery(tmp_path: Path):
    small, large, grown = map(int, program(BOUNDED, str(tmp_path)).split())
    assert (tmp_path / "large").stat().st_size > 320e6
    assert large - small < 100_000 and grown - small < 100_000  # kilobytes; the ids and one shard take some
