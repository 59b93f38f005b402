"""Claims about reading CelebA's official text files."""

from pathlib import Path

import numpy as np
import pytest

from data_prep.attributes import ATTRIBUTES
from data_prep.celeba.annotations import read_annotations

NAMES = [f"{number:06d}.jpg" for number in range(1, 7)]


@pytest.fixture
def anno(tmp_path: Path) -> Path:
    """Three well-formed annotation files of six images, written as the release writes them."""
    values = np.where(np.random.default_rng(0).random((len(NAMES), len(ATTRIBUTES))) < 0.5, -1, 1)
    rows = ["".join([name, *(f" {value:2d}" for value in row)]) for name, row in zip(NAMES, values, strict=True)]
    folder = tmp_path / "Anno"
    folder.mkdir()
    write(folder / "list_attr_celeba.txt", [str(len(NAMES)), " ".join(ATTRIBUTES) + " ", *rows])
    write(folder / "identity_CelebA.txt", [f"{name} {10 + place // 2}" for place, name in enumerate(NAMES)])
    write(folder / "list_eval_partition.txt", [f"{name} {place // 2}" for place, name in enumerate(NAMES)])
    return folder


def write(path: Path, lines: list[str]) -> None:
    path.write_bytes("".join(line + "\r\n" for line in lines).encode())


def edit(path: Path, line: int, change) -> None:
    lines = path.read_text().splitlines()
    lines[line - 1] = change(lines[line - 1])
    write(path, lines)


def set_value(column: str, value: str):
    def change(line: str) -> str:
        fields = line.split()
        fields[1 + ATTRIBUTES.index(column)] = value
        return " ".join(fields)

    return change


def test_each_row_keeps_its_own_labels(anno):
    edit(anno / "list_attr_celeba.txt", 4, set_value("Bald", "1"))
    edit(anno / "list_attr_celeba.txt", 5, set_value("Bald", "-1"))
    found = read_annotations(anno.parent)
    assert found.names == NAMES
    assert found.attributes[1:3, ATTRIBUTES.index("Bald")].tolist() == [1, -1]
    assert found.identities.tolist() == [10, 10, 11, 11, 12, 12]
    assert found.partition.tolist() == [0, 0, 1, 1, 2, 2]


def test_rows_are_sorted_by_file_name_whatever_the_order_of_each_file(anno):
    before = read_annotations(anno.parent)
    for name, header in (("list_attr_celeba.txt", 2), ("identity_CelebA.txt", 0)):
        lines = (anno / name).read_text().splitlines()
        write(anno / name, lines[:header] + lines[header:][::-1])
    after = read_annotations(anno.parent)
    assert after.names == before.names
    assert np.array_equal(after.attributes, before.attributes)
    assert np.array_equal(after.identities, before.identities)


def test_the_partition_may_lie_in_its_official_folder_eval(anno):
    (anno.parent / "Eval").mkdir()
    (anno / "list_eval_partition.txt").rename(anno.parent / "Eval" / "list_eval_partition.txt")
    assert read_annotations(anno.parent).names == NAMES


def test_all_files_may_lie_in_one_folder_as_torchvision_stores_them(anno):
    assert read_annotations(anno).names == NAMES


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist; give the folder that holds Anno/"):
        read_annotations(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["list_attr_celeba.txt", "identity_CelebA.txt", "list_eval_partition.txt"])
def test_a_missing_annotation_file_is_named(anno, name):
    (anno / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        read_annotations(anno.parent)


BAD_ATTRIBUTE_LINES = {
    "a value too few": (
        5,
        lambda line: line.rsplit(None, 1)[0],
        "line 5 has 39 attribute values instead of 40",
    ),
    "a value too many": (8, lambda line: line + " 1", "line 8 has 41 attribute values instead of 40"),
    "an empty line": (4, lambda line: "", "line 4 has 0 attribute values"),
    "a zero": (6, set_value("Bald", "0"), "line 6 column Bald is '0' instead of -1 or 1"),
    "two values run together": (6, set_value("Male", "11"), "line 6 column Male is '11'"),
    "a word": (3, set_value("Young", "yes"), "line 3 column Young is 'yes'"),
    "a renamed attribute": (
        2,
        lambda line: line.replace("Bald", "Hairless"),
        "column 5 is 'Hairless' .* 'Bald'",
    ),
    "a header cut short": (2, lambda line: line.replace("Young", ""), "names 39 attributes instead of 40"),
    "a count too high": (1, lambda line: "7", "promises 7 images but 6 lines"),
    "no count": (1, lambda line: "images", "line 1 must hold the number of images"),
    "a name twice": (
        4,
        lambda line: line.replace("000002", "000001"),
        r"000001.jpg 2 times, on lines \[3, 4\]",
    ),
}


@pytest.mark.parametrize("case", BAD_ATTRIBUTE_LINES)
def test_a_bad_attribute_file_is_refused_with_line_and_value(anno, case):
    line, change, message = BAD_ATTRIBUTE_LINES[case]
    edit(anno / "list_attr_celeba.txt", line, change)
    with pytest.raises(ValueError, match=message):
        read_annotations(anno.parent)


def test_a_file_cut_in_the_middle_of_a_line_is_refused(anno):
    path = anno / "list_attr_celeba.txt"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"line 8 has .* attribute values instead of 40"):
        read_annotations(anno.parent)


BAD_NUMBER_LINES = {
    "no number": ("identity_CelebA.txt", 2, lambda line: "000002.jpg", "line 2 is '000002.jpg' instead of"),
    "a word for a number": (
        "identity_CelebA.txt",
        3,
        lambda line: "000003.jpg Ann",
        "line 3 is '000003.jpg Ann'",
    ),
    "an identity twice": (
        "identity_CelebA.txt",
        3,
        lambda line: "000002.jpg 5",
        r"000002.jpg 2 times, on lines",
    ),
    "a fourth partition": (
        "list_eval_partition.txt",
        6,
        lambda line: "000006.jpg 3",
        r"line 6 holds 3, outside 0..2",
    ),
    "a negative one": (
        "list_eval_partition.txt",
        1,
        lambda line: "000001.jpg -1",
        r"line 1 holds -1, outside 0..2",
    ),
    "another image": (
        "identity_CelebA.txt",
        6,
        lambda line: "000009.jpg 5",
        r"lacks 1 images .* \['000006.jpg'\]",
    ),
    "an image too many": (
        "identity_CelebA.txt",
        6,
        lambda line: line + "\n000009.jpg 5",
        r"names 1 images that list_attr_celeba.txt lacks, first \['000009.jpg'\]",
    ),
}


@pytest.mark.parametrize("case", BAD_NUMBER_LINES)
def test_a_bad_identity_or_partition_file_is_refused_with_line_and_value(anno, case):
    name, line, change, message = BAD_NUMBER_LINES[case]
    edit(anno / name, line, change)
    with pytest.raises(ValueError, match=message):
        read_annotations(anno.parent)
