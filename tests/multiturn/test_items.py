"""Claims about reading the items that are to be encoded."""

import json
import os
import re
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict

from multiturn.items import read_items
from tests.multiturn.encoders.tiny import pictures


def test_a_folder_of_pictures_is_read_at_any_depth_with_paths_as_ids(tmp_path: Path):
    for name, image in zip(("b.png", "a/x.JPG", "a/y.webp"), pictures(3)["image"], strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        image.save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    items = read_items(tmp_path)
    assert items.ids == ["a/x.JPG", "a/y.webp", "b.png"]
    assert items.kind == "image" and items.source == f"3 pictures of {tmp_path.name}"
    assert items.values[2]["image"].size == (40, 40)  # type: ignore[index,call-overload]


def test_lines_of_text_are_numbered_as_in_the_file_and_blank_ones_left_out(tmp_path: Path):
    (tmp_path / "t.txt").write_text("one dog\n\n  two cats \n", encoding="utf-8")
    items = read_items(tmp_path / "t.txt")
    assert (items.ids, items.values) == (["000000001", "000000003"], ["one dog", "two cats"])


def test_json_lines_give_ids_and_texts_and_an_empty_text_is_an_item(tmp_path: Path):
    rows = [{"id": 7, "caption": "a\u2028b"}, {"id": "x", "caption": ""}, {"caption": "c"}]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "t.jsonl").write_text(text, encoding="utf-8")
    items = read_items(tmp_path / "t.jsonl", text_field="caption")
    assert (items.ids, items.values) == (["7", "x", "000000003"], ["a\u2028b", "", "c"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a"', "line 2: no JSON"),
        ('{"caption": "a"}', r"line 2: no 'text' in it \(caption\)"),
        ('["a"]', r"line 2: no 'text' in it \(list\)"),
        ('{"text": 5}', "line 2: text is 5, which is not text"),
        ('{"text": null}', "line 2: text is None"),
        ('{"text": "a", "id": null}', "line 2: the id is None"),
        ('{"text": "a", "id": 1}', "two items of .* have the id '1'"),
    ],
)
def test_a_line_that_is_wrong_is_named(line: str, message: str, tmp_path: Path):
    (tmp_path / "t.jsonl").write_text(f'{{"text": "b", "id": 1}}\n{line}\n')
    with pytest.raises(ValueError, match=message):
        read_items(tmp_path / "t.jsonl")


def test_a_data_set_on_disk_is_read_by_its_columns(tmp_path: Path):
    pictures(3).save_to_disk(tmp_path / "images")
    assert read_items(tmp_path / "images").ids == ["p0.png", "p1.png", "p2.png"]
    Dataset.from_dict({"phrase": ["a", "b"]}).save_to_disk(tmp_path / "texts")
    items = read_items(tmp_path / "texts", text_field="phrase")
    assert (items.ids, items.values, items.kind) == (["000000000", "000000001"], ["a", "b"], "text")
    with pytest.raises(ValueError, match="columns phrase, neither image nor text"):
        read_items(tmp_path / "texts")


def test_a_data_set_of_several_splits_asks_which(tmp_path: Path):
    parts = {name: Dataset.from_dict({"text": [name, "b"]}) for name in ("train", "test")}
    DatasetDict(parts).save_to_disk(tmp_path / "both")  # type: ignore[arg-type]
    assert read_items(tmp_path / "both", "test").values == ["test", "b"]
    with pytest.raises(ValueError, match="splits train, test, not None"):
        read_items(tmp_path / "both")


def test_a_folder_of_parquet_files_is_read(tmp_path: Path):
    pictures(3).to_parquet(tmp_path / "data.parquet")
    items = read_items(tmp_path)
    assert items.kind == "image" and items.ids == ["p0.png", "p1.png", "p2.png"]


def test_what_is_not_there_or_holds_nothing_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="no folder or file of items at"):
        read_items(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="holds no item"):
        read_items(tmp_path)
    (tmp_path / "t.csv").write_text("a")
    with pytest.raises(ValueError, match=r"neither \.jsonl nor \.txt"):
        read_items(tmp_path / "t.csv")
    (tmp_path / "t.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not UTF-8"):
        read_items(tmp_path / "t.txt")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures."""
    (tmp_path / "photos").mkdir()
    for number, row in enumerate(pictures(3)):
        row["image"].save(tmp_path / "photos" / f"{number}.png")  # type: ignore[index,call-overload]
    return tmp_path / "photos"


def test_hidden_files_are_no_items_and_what_else_is_none_is_counted(folder: Path):
    for name in ("._0.png", ".thumbs/a.png", "notes", "film.mp4"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"no picture")
    for name in ("a.ppm", "b.JFIF"):
        (folder / name).write_bytes(b"judged by its name")
    items = read_items(folder)
    assert items.ids == ["0.png", "1.png", "2.png", "a.ppm", "b.JFIF"]
    assert items.left_out == {"file is no image": 2}


def test_a_parquet_file_among_pictures_does_not_make_a_data_set_of_them(folder: Path):
    Dataset.from_dict({"text": ["a", "b"]}).to_parquet(folder / "stray.parquet")
    items = read_items(folder)
    assert len(items) == 3 and items.left_out == {"file is no image": 1}


def test_pipes_and_links_to_folders_are_no_pictures_and_a_link_that_leads_nowhere_is_one(folder: Path):
    os.mkfifo(folder / "pipe.png")
    (folder / "loop.png").symlink_to(folder)
    (folder / "away.png").symlink_to(folder / "unmounted" / "away.png")
    items = read_items(folder)
    assert items.ids == ["0.png", "1.png", "2.png", "away.png"] and items.left_out == {"file is no image": 2}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (b"caf\xe9.png", r"'caf\udce9.png'"),
        (b"a\\b.png", "has a backslash or colon, by which Windows"),
        (b"two\nlines.png", "holds a line break"),
    ],
)
def test_a_file_name_that_cannot_be_an_id_is_named_with_the_remedy_or_skipped(
    name: bytes, reason: str, folder: Path, caplog
):
    (folder / "0.png").rename(folder / os.fsdecode(name))
    with pytest.raises(ValueError, match=re.escape(reason)) as refused:
        read_items(folder)
    assert "rename it" in str(refused.value) and str(folder) in str(refused.value)
    items = read_items(folder, on_bad_image="skip")
    assert items.ids == ["1.png", "2.png"] and items.left_out == {"file name cannot be an id": 1}
    assert reason in caplog.text


def test_only_line_breaks_end_a_line_of_text_and_suffixes_may_be_capitals(tmp_path: Path):
    (tmp_path / "t.TXT").write_bytes("one\x0cpage\r\na\u2028b\x85c\nlast".encode())
    items = read_items(tmp_path / "t.TXT")
    assert items.ids == ["000000001", "000000002", "000000003"]
    assert items.values == ["one\x0cpage", "a\u2028b\x85c", "last"]
