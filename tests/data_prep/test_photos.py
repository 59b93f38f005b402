"""Claims about folders of photographs."""

import json

import datasets
import pytest
from PIL import Image as Pillow

from data_prep.photos import load, main, photo_features

IDS = ["a.jpg", "trip/b.PNG", "trip/day 2/c.gif"]


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "album"
    for place, name in enumerate(IDS):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Pillow.new("RGB", (8, 8), (40 * place, 0, 0)).save(root / name)
    (root / "notes.txt").write_text("no image")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "d.jpg").write_bytes(b"")
    (root / "trip" / "._b.png").write_bytes(b"")
    return root


def write(root, table) -> str:
    path = root.parent / "captions.json"
    path.write_text(table if isinstance(table, str) else json.dumps(table))
    return path


def test_ids_are_paths_below_the_folder_and_hidden_files_are_passed_over(root):
    photos = load(root)
    assert photos.splits["gallery"]["id"][:] == IDS
    assert photos.splits["gallery"].features == photo_features()
    assert photos.left_out == {"file is no image": 1}
    assert photos.source == "photos of album, 3 of 3 images"


def test_images_are_referred_to_by_path(root):
    rows = load(root).splits["gallery"].cast_column("image", datasets.Image(decode=False))
    assert rows[1]["image"] == {"bytes": None, "path": str(root / IDS[1])}


def test_unreadable_files_are_counted_and_named(root, caplog):
    (root / "trip" / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    (root / "empty.png").write_bytes(b"")
    photos = load(root)
    assert photos.left_out == {"file is no image": 1, "image cannot be decoded": 2}
    assert photos.source == "photos of album, 3 of 5 images"
    assert "trip/bad.jpg" in caplog.text
    assert "Left out: 2 (image cannot be decoded)" in photos.splits["gallery"].info.description
    with pytest.raises(ValueError, match=r"2 of 5 images cannot be decoded, first empty\.png"):
        load(root, on_bad_image="error")


def test_the_check_command_lists_every_unreadable_file(root, capsys):
    for number in range(7):
        (root / f"bad{number}.jpg").write_bytes(b"")
    main(["check", "--root", str(root)])
    told = capsys.readouterr().out
    assert "3 of 10 images can be decoded; 1 files are no images" in told
    assert all(f"  bad{number}.jpg: " in told for number in range(7))


def test_images_whose_names_cannot_be_ids_are_counted_and_listed(root, capsys):
    Pillow.new("RGB", (8, 8)).save(root / "a\\b.jpg")
    photos = load(root)
    assert photos.left_out == {"file is no image": 1, "file name cannot be an id": 1}
    assert photos.source == "photos of album, 3 of 4 images"
    main(["check", "--root", str(root)])
    assert r"'a\\b.jpg': its name has a backslash" in capsys.readouterr().out


def test_captions_are_found_by_id(root):
    path = write(root, {"a.jpg": "a red wall", "trip/b.PNG": ["one", "two"]})
    assert load(root, path).splits["gallery"]["captions"][:] == [["a red wall"], ["one", "two"], []]


BAD = {
    "a way out": ({"../a.jpg": "x"}, "'../a.jpg' leads out"),
    "an absolute path": ({"/a.jpg": "x"}, "'/a.jpg' leads out"),
    "an unknown image": ({"z.jpg": "x"}, r"names 1 images that are not in .*'z.jpg'"),
    "an id twice": ('{"a.jpg": "x", "a.jpg": "y"}', "names image 'a.jpg' twice"),
    "an empty caption": ({"a.jpg": [""]}, "entry 'a.jpg': caption is empty"),
    "no text": ({"a.jpg": [{"text": "x"}]}, "entry 'a.jpg': caption .* is no text"),
    "a list": (["a.jpg"], "holds a list; it must be an object"),
    "a cut file": ('{"a.jpg": "x', "is no JSON file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_captions_are_refused_with_file_and_entry(root, case):
    table, message = BAD[case]
    with pytest.raises(ValueError, match=rf"captions\.json.*{message}"):
        load(root, write(root, table))


def test_a_folder_without_images_is_an_error(tmp_path):
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(FileNotFoundError, match=r"holds no image \(1 other files\)"):
        load(tmp_path)


def test_the_prepare_command_writes_the_gallery(root, tmp_path, capsys):
    main(["prepare", "--root", str(root), "--output", str(tmp_path / "out")])
    assert datasets.load_from_disk(tmp_path / "out")["gallery"]["id"][:] == IDS
    assert "gallery: 3" in capsys.readouterr().out
