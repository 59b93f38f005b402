"""Claims about what other people's files may say: ids, captions, counts; and how a loader's command line answers."""

import re
import subprocess
import sys

import pytest

from data_prep.captions import MOST_WORDS, check_caption
from data_prep.counts import check_counts, count_table
from data_prep.ids import check_distinct, check_id, check_number
from data_prep.texts import read_csv, read_utf8

MODULES = ["flickr8k", "lfw", "cub", "photos", "visual_genome"]
OUTSIDE = ["../a.jpg", "a/../../b.jpg", "/etc/passwd", "a\\b.jpg", "C:/a.jpg"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_an_id_that_leads_out_of_the_folder_is_refused(name):
    with pytest.raises(ValueError, match=r"list entry 3: image id .* leads out of the image folder; use a relative"):
        check_id(name, "list entry 3")


@pytest.mark.parametrize("name", ["", None, 3, "a\x00.jpg", "a\n.jpg"])
def test_an_id_that_is_no_name_is_refused(name):
    with pytest.raises(ValueError, match="is no file name"):
        check_id(name, "list entry 3")


@pytest.mark.parametrize("name", ["a.jpg", "folder/a b.jpg", "..a.jpg", "Bär/ü.jpg"])
def test_other_names_pass(name):
    assert check_id(name, "list") == name


@pytest.mark.parametrize("value", ["1.5", 1.5, True, None, "", "../1", "1e3", [1]])
def test_a_number_that_is_none_is_refused_with_field_and_entry(value):
    with pytest.raises(ValueError, match=r"x\.json entry 1: image_id is .* instead of a whole number"):
        check_number(value, "image_id", "x.json entry 1")


def test_digits_are_numbers():
    assert [check_number(value, "x", "") for value in (3, "3", -3, "-3")] == [3, 3, -3, -3]


def test_the_first_id_that_comes_again_is_named():
    with pytest.raises(ValueError, match="list names image 'b' twice"):
        check_distinct(["a", "b", "b"], "list")


BAD_CAPTIONS = {
    "no text": (None, "is no text"),
    "a number": (7, "is no text"),
    "empty": ("", "is empty"),
    "blank": (" \n", "is empty"),
    "10,000 words": ("word " * 10_000, f"has 10,000 words, more than {MOST_WORDS}, and begins 'word word"),
}


@pytest.mark.parametrize("case", BAD_CAPTIONS)
def test_a_bad_caption_is_refused_with_its_place(case):
    caption, message = BAD_CAPTIONS[case]
    with pytest.raises(ValueError, match=rf"c\.csv line 2: caption .*{message}"):
        check_caption(caption, "c.csv line 2")


def test_counts_that_differ_are_all_named_with_the_remedy():
    with pytest.raises(ValueError, match=r"train: expected 3, found 2; test: expected 1, found 0.*expected=None"):
        check_counts({"train": 2}, {"train": 3, "test": 1}, "here")


def test_a_count_without_a_published_one_is_no_mismatch():
    table, agrees = count_table({"images": 3, "boxes": 2}, {"images": 3})
    assert agrees
    assert "boxes   -         2" in table


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ValueError, match=r"a\.txt is no text in UTF-8"):
        read_utf8(tmp_path / "a.txt")


def test_a_csv_file_without_a_needed_column_is_named_with_its_columns(tmp_path):
    (tmp_path / "a.csv").write_text("image,text\n1,2\n")
    with pytest.raises(ValueError, match=r"a\.csv has the columns image, text and lacks caption\|phrase"):
        list(read_csv(tmp_path / "a.csv", "image", "caption|phrase"))


def test_loaders_import_nothing_heavy():
    heavy = {"torch", "datasets", "pyarrow", "transformers"}
    names = ", ".join(f"data_prep.{name}" for name in [*MODULES, "pictures", "visual_genome.__main__"])
    code = f"import {names}, sys; print(sorted({heavy!r} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("command", [[], ["prepare"]])
def test_help_has_examples_and_imports_nothing_heavy(name, command):
    options = [sys.executable, "-X", "importtime", "-m", f"data_prep.{name}", *command, "--help"]
    answer = subprocess.run(options, capture_output=True, text=True, check=True)
    assert command or f"python -m data_prep.{name} prepare --root" in answer.stdout
    assert not re.search(r"\|\s+(torch|datasets|pandas|numpy)$", answer.stderr, re.MULTILINE)


@pytest.mark.parametrize("name", MODULES)
def test_a_folder_that_is_not_there_is_one_line_and_status_1(name, tmp_path):
    module = __import__(f"data_prep.{name}", fromlist=["main"])
    main = module.main if name != "visual_genome" else __import__(f"data_prep.{name}.__main__", fromlist=["main"]).main
    with pytest.raises(SystemExit, match=r"^error: .*none"):
        main(["prepare", "--root", str(tmp_path / "none"), "--output", str(tmp_path / "out")])
