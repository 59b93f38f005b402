"""Claims about reading the items that are to be encoded."""

import json
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
