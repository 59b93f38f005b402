"""Claims about loading Visual Genome from each of its forms, and about what is dropped."""

import json
import os
from pathlib import Path

import datasets
import pytest
from PIL import Image as Pillow

from data_prep.splits import save
from data_prep.visual_genome import RELEASED, load, read, read_sides, seeded_sides, visual_genome_features
from data_prep.visual_genome.__main__ import main

# image -> (region id, caption), in the order of the file
PHRASES = {
    11: [(30, "A Red Door"), (10, "two dogs"), (20, "a red door"), (25, "grass")],
    12: [(1, "one"), (2, " "), (3, "two "), (4, "three")],
    13: [(7, "sky"), (8, "sky"), (9, "sea")],
    14: [(40, "a"), (41, "b"), (42, "c")],
}


def region(image: int, number: int, phrase: str) -> dict:
    return {"region_id": number, "image_id": image, "phrase": phrase, "x": number, "y": -1, "width": 3, "height": 4}


def entries() -> list[dict]:
    return [{"regions": [region(image, *told) for told in phrases], "id": image} for image, phrases in PHRASES.items()]


def sizes() -> list[dict]:
    return [{"image_id": image, "width": 100 + image, "height": 80, "url": "", "coco_id": None} for image in PHRASES]


def dump(path: Path, value) -> None:
    path.write_text(value if isinstance(value, str) else json.dumps(value))


@pytest.fixture
def root(tmp_path) -> Path:
    """Four images in the official form; 12 lies in the second pixel folder."""
    root = tmp_path / "vg"
    for image in PHRASES:
        folder = root / ("VG_100K_2" if image == 12 else "VG_100K")
        folder.mkdir(parents=True, exist_ok=True)
        Pillow.new("RGB", (8, 8), (10 * image, 0, 0)).save(folder / f"{image}.jpg")
    dump(root / "region_descriptions.json", entries())
    dump(root / "image_data.json", sizes())
    return root


@pytest.fixture
def released(tmp_path) -> Path:
    """Lists of ids: 14 is in none of them, 99 has no entry."""
    folder = tmp_path / "lists"
    folder.mkdir()
    for name, ids in {"train": "12\n11\n", "val": "13\n", "test": "99\n"}.items():
        dump(folder / f"vg_{name}.txt", ids)
    return folder


def rows_of(loaded) -> dict[str, dict]:
    return {row["id"]: row for part in loaded.splits.values() for row in part}


def test_captions_are_in_lower_case_by_region_id_with_their_boxes(root, released):
    row = load(root, released, fewest_captions=2).splits["train"][0]
    assert row["captions"] == ["two dogs", "grass", "a red door"]
    assert row["region_ids"] == [10, 25, 30]
    assert row["boxes"] == [[10, -1, 3, 4], [25, -1, 3, 4], [30, -1, 3, 4]]
    assert (row["id"], row["width"], row["height"]) == ("11", 111, 80)
    assert round(row["image"].getpixel((0, 0))[0] / 10) == 11


def test_the_first_of_two_equal_captions_in_the_file_stays(root, released):
    assert 20 not in load(root, released, fewest_captions=2).splits["train"][0]["region_ids"]


def test_everything_that_is_dropped_is_counted(root, released):
    loaded = load(root, released, fewest_captions=3)
    assert loaded.left_out == {
        "caption is empty": 1,
        "caption repeats another of its image": 2,
        "image has fewer captions than asked for": 1,
        "image is in no split": 1,
        "image of a split has no entry": 1,
    }
    assert list(rows_of(loaded)) == ["11", "12"]
    assert loaded.source == "Visual Genome, released split, 2 of 4 images, captions from 3 up"


def test_ten_captions_are_asked_for_by_default(root):
    with pytest.raises(
        ValueError, match=r"none of 4 images .* fewer captions than asked for: 4\); see fewest_captions"
    ):
        load(root)


def test_images_without_an_object_are_dropped_where_objects_are_given(root, released):
    objects = [{"image_id": image, "objects": [{}] * (image != 11)} for image in PHRASES]
    dump(root / "objects.json", objects)
    loaded = load(root, released, fewest_captions=2)
    assert loaded.left_out["image has no object"] == 1
    assert "11" not in rows_of(loaded)


def test_released_lists_decide_the_split_and_rows_go_by_image_id(root, released):
    loaded = load(root, released, fewest_captions=1)
    assert {name: part["id"][:] for name, part in loaded.splits.items()} == {
        "train": ["11", "12"],
        "validation": ["13"],
        "test": [],
    }
    assert loaded.splits["train"].features == visual_genome_features()


def test_lists_in_the_folder_are_found(root, released):
    released.rename(root / "splits")
    assert "released split" in load(root, fewest_captions=1).source


def test_without_lists_the_split_is_drawn_and_the_source_says_so(root):
    loaded = load(root, seed=3, fewest_captions=1)
    assert "seeded split (seed 3)" in loaded.source
    assert len(rows_of(loaded)) == 4


def test_a_seeded_split_has_the_released_shares_and_does_not_depend_on_the_order():
    sides = seeded_sides(range(2_000), seed=1)
    assert seeded_sides(reversed(range(2_000)), seed=1) == sides
    assert seeded_sides(range(2_000), seed=2) != sides
    counts = {side: list(sides.values()).count(side) for side in RELEASED}
    assert counts == {"train": 1_722, "validation": 93, "test": 185}


def test_a_missing_pixel_file_leaves_the_image_out(root, released):
    (root / "VG_100K_2" / "12.jpg").unlink()
    loaded = load(root, released, fewest_captions=1)
    assert loaded.left_out["image file is missing"] == 1
    assert "12" not in rows_of(loaded)


def test_a_bad_image_is_an_error_unless_skipped(root, released):
    (root / "VG_100K" / "13.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="1 of 3 images cannot be decoded, first 13 "):
        load(root, released, fewest_captions=1)
    assert load(root, released, fewest_captions=1, on_bad_image="skip").left_out["image cannot be decoded"] == 1


def test_captions_alone_need_no_pixels_and_can_be_saved(root, released, tmp_path):
    for folder in ("VG_100K", "VG_100K_2"):
        (root / folder).rename(tmp_path / folder)
    with pytest.raises(FileNotFoundError, match=r"neither VG_100K nor VG_100K_2; .*pixels=False for captions alone"):
        load(root, released, fewest_captions=1)
    loaded = load(root, released, fewest_captions=1, pixels=False)
    assert loaded.splits["train"]["image"][:] == [None, None]
    save(loaded, tmp_path / "out")
    assert datasets.load_from_disk(tmp_path / "out")["train"][0]["captions"] == ["two dogs", "grass", "a red door"]


def test_one_file_an_image_gives_the_same_rows(root, released):
    official = rows_of(load(root, released, fewest_captions=1, pixels=False))
    (root / "rg_jsons").mkdir()
    for entry in entries():
        dump(root / "rg_jsons" / f"{entry['id']}.json", {"regions": entry["regions"]})
    (root / "region_descriptions.json").unlink()
    assert rows_of(load(root, released, fewest_captions=1, pixels=False)) == official


@pytest.mark.parametrize("with_boxes", [True, False])
def test_a_csv_file_gives_the_same_captions(root, released, with_boxes):
    official = rows_of(load(root, released, fewest_captions=1, pixels=False))
    lines = ["image_id,region_id,caption" + ",x,y,width,height" * with_boxes]
    told = [(image, *each) for image, phrases in PHRASES.items() for each in phrases]
    for image, number, phrase in sorted(told, key=lambda each: each[1]):
        lines.append(f'{image},{number},"{phrase}"' + f",{number},-1,3,4" * with_boxes)
    dump(root / "phrases.csv", "\n".join(lines))
    (root / "region_descriptions.json").unlink()
    found = rows_of(load(root, released, fewest_captions=1, pixels=False))
    assert found["12"]["captions"] == official["12"]["captions"]
    assert found["12"]["boxes"] == (official["12"]["boxes"] if with_boxes else [[], [], []])


def test_an_entry_longer_than_what_is_read_at_a_time_is_read(root, monkeypatch):
    monkeypatch.setattr("data_prep.visual_genome.entries._CHUNK", 7)
    assert [image.number for image in read(root)] == list(PHRASES)


def without(name: str) -> list[dict]:
    table = entries()
    del table[1]["regions"][2][name]
    return table


def changed(**fields) -> list[dict]:
    table = entries()
    table[1]["regions"][2] |= fields
    return table


PLACE = r"region_descriptions\.json entry 2 \(image 12\) region 3"
BAD = {
    "no phrase": (without("phrase"), PLACE + " has no field phrase, only height, image_id"),
    "no region id": (without("region_id"), PLACE + " has no field region_id or id"),
    "no box": (without("width"), PLACE + " has no field width"),
    "no text": (changed(phrase=["a"]), PLACE + r": caption \['a'\] is no text"),
    "null": (changed(phrase=None), PLACE + ": caption None is no text"),
    "10,000 words": (changed(phrase="word " * 10_000), PLACE + ": caption has 10,000 words"),
    "a box of words": (changed(x="left"), PLACE + ": x is 'left' instead of a whole number"),
    "no image id": ([{"regions": []}], r"entry 1 has no field id or image_id"),
    "a path for an id": ([{"id": "../../1", "regions": []}], r"entry 1: image id is '\.\./\.\./1' instead of"),
    "two images of one id": (entries() + entries()[1:2], "names image 12 twice"),
    "regions that are none": ([{"id": 1, "regions": {}}], r"entry 1: regions is '{}' instead of a list"),
    "a region that is none": ([{"id": 1, "regions": [7]}], r"region 1 is '7' instead of an object"),
    "an entry that is none": ([7], "entry 1 is '7' instead of an object"),
    "an object": ({"id": 1}, "is no JSON array"),
    "a cut file": (json.dumps(entries())[:-40], "entry 4 is no JSON or the file was cut"),
    "an empty file": ("", "is no JSON array"),
}


@pytest.mark.parametrize("case", BAD)
def test_damaged_captions_are_refused_with_file_and_entry(root, case):
    value, message = BAD[case]
    dump(root / "region_descriptions.json", value)
    with pytest.raises(ValueError, match=message):
        load(root, fewest_captions=1)


def test_damaged_sizes_are_refused_with_file_and_entry(root):
    dump(root / "image_data.json", [{"image_id": 11, "width": 5}])
    with pytest.raises(ValueError, match=r"image_data\.json entry 1 has no field height"):
        load(root, fewest_captions=1)
    dump(root / "image_data.json", sizes()[:2])
    with pytest.raises(ValueError, match=r"image_data\.json lacks image 13; take both files from one release"):
        load(root, fewest_captions=1)
    dump(root / "image_data.json", sizes() + sizes()[:1])
    with pytest.raises(ValueError, match=r"image_data\.json names image 11 twice"):
        load(root, fewest_captions=1)


def test_an_image_in_two_lists_is_refused(released):
    dump(released / "vg_val.txt", "13\n11\n")
    with pytest.raises(ValueError, match=r"image 11 is in .*vg_val\.txt and in vg_train\.txt"):
        read_sides(released)


def test_a_list_that_is_damaged_or_missing_is_named(released):
    dump(released / "vg_val.txt", "13\n../14\n")
    with pytest.raises(ValueError, match=r"vg_val\.txt line 2: image id is '\.\./14'"):
        read_sides(released)
    (released / "vg_test.txt").unlink()
    dump(released / "vg_val.txt", "13\n")
    with pytest.raises(FileNotFoundError, match=r"vg_test\.txt is not there; take vg_train\.txt"):
        read_sides(released)


def test_a_folder_without_captions_is_an_error(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"holds neither region_descriptions\.json nor rg_jsons/ nor exactly one"
    ):
        load(tmp_path, pixels=False)


def test_the_verify_command_counts_and_exits_with_1_on_a_part(root, released, capsys):
    with pytest.raises(SystemExit) as end:
        main(["verify", "--root", str(root), "--splits", str(released)])
    assert end.value.code == 1
    told = capsys.readouterr().out
    assert "14 captions, 11 of them kept" in told
    assert "4 of 4 image files are present" in told
    assert "images with captions  108,077   4      MISMATCH" in told


def test_the_prepare_command_writes_the_splits(root, released, tmp_path, capsys):
    options = ["--splits", str(released), "--fewest_captions", "1", "--output", str(tmp_path / "out")]
    main(["prepare", "--root", str(root), *options])
    assert len(datasets.load_from_disk(tmp_path / "out")["train"]) == 2
    assert "train: 2" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif("RETRIEVAL_REAL_DATA" not in os.environ, reason="RETRIEVAL_REAL_DATA is not set")
def test_the_real_lists_and_phrases_have_their_known_counts():
    root = Path(os.environ["RETRIEVAL_REAL_DATA"]) / "visual_genome"
    sides = list(read_sides(root / "splits").values())
    assert {side: sides.count(side) for side in RELEASED} == RELEASED
    loaded = load(root, fewest_captions=1, pixels=False)
    found = {name: len(part) for name, part in loaded.splits.items()}
    assert found == {"train": 30_551, "validation": 1_644, "test": 3_264}
    assert loaded.left_out["region id repeats another of its image"] == 6
