"""Claims about the pictures within a page: small enough for its budget, and what found no room is counted."""

import base64
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pytest
from datasets import Dataset, Features, Value
from datasets import Image as Column
from PIL import Image

from multiturn.report.inlined import SIZES, inline_pictures
from multiturn.report.session_views import session_notes
from multiturn.report.sessions import keep_sessions, kept_sessions
from tests.multiturn.test_report_sessions import IDS, images, results, write_transcript


def test_a_row_without_a_picture_is_missing_too():
    empty = images(2).map(lambda row: {**row, "image": None if row["id"] == IDS[1] else row["image"]})
    made = inline_pictures(empty, [IDS[0], IDS[1]])
    assert made.missing == (IDS[1],) and list(made.pictures) == [IDS[0]]


def total(pictures: Mapping[str, str], wanted: list[str]) -> int:
    return sum(len(pictures.get(name, "")) for name in wanted)


@pytest.mark.parametrize("budget", [2_000_000, 120_000, 40_000, 4_000])
def test_the_budget_counts_every_place_and_is_kept(budget: int):
    wanted = [IDS[place] for place in (0, 1, 2, 3, 0, 1, 0, 0)]
    made = inline_pictures(images(4, side=200, noise=True), wanted, budget)
    assert 0 < total(made.pictures, wanted) <= budget
    assert set(made.pictures) | set(made.left_out) == set(wanted)


def test_pictures_shrink_before_any_is_left_out_and_the_last_are_left_out_first():
    data, wanted = images(4, side=200, noise=True), IDS[:4]

    def width(text: str) -> int:
        with Image.open(BytesIO(base64.b64decode(text))) as picture:
            return max(picture.size)

    large, small = (inline_pictures(data, wanted, budget) for budget in (2_000_000, 30_000))
    assert {width(text) for text in large.pictures.values()} == {SIZES[0][0]}
    assert small.left_out == () and {width(text) for text in small.pictures.values()} < {side for side, _ in SIZES[1:]}
    least = inline_pictures(data, wanted, 4_000)
    assert IDS[0] in least.pictures and IDS[3] in least.left_out


def test_pictures_that_found_no_room_are_counted_on_the_page(tmp_path: Path):
    write_transcript(tmp_path, None)
    keep_sessions(tmp_path, results(), images=images(20, side=200, noise=True), budget=60_000)
    kept = kept_sessions(tmp_path) or {}
    left_out = len(kept["left_out"])
    assert left_out > 1
    assert sum(f"{left_out} images are left out to keep the page small" in note for note in session_notes(kept)) == 1


def test_an_image_that_cannot_be_decoded_is_named():
    broken = Dataset.from_dict({"id": ["x"], "image": [{"bytes": images(1)[0]["id"].encode(), "path": None}]},
                               features=Features({"id": Value("string"), "image": Column()}))  # fmt: skip
    with pytest.raises((ValueError, OSError), match="cannot"):
        inline_pictures(broken, ["x"])
