from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image, ImageColor

from facefb.feedback import AttributeFeedback
from facefb.pictures import CELL, FOUND, GAP, HEAD, LINE, pick_sessions, picture_size, session_picture
from facefb.settings import AttributeFeedbackSettings
from multiturn.gallery import Gallery
from multiturn.ranks import Ranks
from multiturn.report.sessions import chosen_sessions
from multiturn.results import results_of
from multiturn.trial import Outcome, Trial

COUNT, TURNS = 12, 3
HEIGHT = CELL * 3 // 2  # of a face of 20 x 30 pixels
NAMES = [f"{place:06d}.jpg" for place in range(COUNT)]


class Silent:
    """Stands where a retriever and a user are asked for: the outcomes here are made up, nobody plays."""

    def start(self, *_: object) -> None:
        return None

    update = score = reply = start


def colour(place: int) -> tuple[int, int, int]:
    """A colour of its own for each face."""
    return 20 * place, 255 - 20 * place, 100


@pytest.fixture
def outcome() -> Outcome:
    """Session i looks for face i; ranks are 1..12 in the end and 6 before."""
    best = torch.full((COUNT, TURNS + 1), 6)
    best[:, -1] = torch.arange(1, COUNT + 1)
    shown = (torch.arange(COUNT)[:, None, None] + torch.arange(1, TURNS + 2)[None, :, None]) % COUNT
    shown[0, -1] = 0
    gallery = Gallery(tuple(NAMES), torch.zeros(COUNT, 1), "made up", "test")
    trial = Trial("GRU", Silent(), gallery, Silent(), torch.arange(COUNT), TURNS)  # pyright: ignore
    return Outcome(
        trial,
        Ranks(best, best, COUNT),
        shown,
        {"matching_attributes": torch.full((COUNT, TURNS + 1), 37.0, dtype=torch.float64)},
    )


@pytest.fixture
def faces() -> Dataset:
    """Faces of one colour each, in another order than the gallery's."""
    places = list(reversed(range(COUNT)))
    images = [Image.new("RGB", (20, 30), colour(place)) for place in places]
    return Dataset.from_dict({"id": [NAMES[place] for place in places], "image": images})


def centre(row: int, column: int) -> tuple[int, int]:
    """Pixel in the middle of a face; column 0 is the target."""
    left, _ = picture_size(0, column - 1, HEIGHT) if column else (GAP, 0)
    block = picture_size(1, TURNS, HEIGHT)[1] - picture_size(0, TURNS, HEIGHT)[1]
    return left + CELL // 2, GAP + HEAD + row * block + LINE + HEIGHT // 2


def test_each_cell_holds_the_face_with_the_id_that_was_shown(outcome, faces, tmp_path):
    session_picture(outcome, faces, [3, 0], tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.size == picture_size(2, TURNS + 1, HEIGHT)
        for row, session in enumerate([3, 0]):
            wanted = [session, *outcome.shown[session, :, 0].tolist()]
            assert [picture.getpixel(centre(row, column)) for column in range(TURNS + 2)] == [
                colour(place) for place in wanted
            ]


def test_only_the_target_is_framed(outcome, faces, tmp_path):
    session_picture(outcome, faces, [0, 1], tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as picture:
        framed = [
            (row, column)
            for row in range(2)
            for column in range(TURNS + 2)
            if picture.getpixel((centre(row, column)[0] - CELL // 2 - 2, centre(row, column)[1]))
            == ImageColor.getrgb(FOUND)
        ]
    assert framed == [(0, TURNS + 1)]


def test_the_count_of_matching_attributes_is_drawn(outcome, faces, tmp_path):
    session_picture(outcome, faces, [2], tmp_path / "one.png")
    outcome.measures["matching_attributes"][2, 1] = 12
    session_picture(outcome, faces, [2], tmp_path / "two.png")
    one, two = (np.asarray(Image.open(tmp_path / name)).astype(int) for name in ("one.png", "two.png"))
    columns = np.abs(one - two).sum((0, 2)).nonzero()[0]
    assert abs(columns.mean() - centre(0, 2)[0]) < CELL / 2


def test_faces_of_other_proportions_fit_the_first_ones_box(outcome, tmp_path):
    images = [Image.new("L", (30 + 5 * place, 20)) for place in range(COUNT)]
    odd = Dataset.from_dict({"id": NAMES, "image": images})
    session_picture(outcome, odd, [0], tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.size == picture_size(1, TURNS + 1, CELL * 20 // 30)


def test_the_picture_carries_its_title(outcome, faces, tmp_path):
    session_picture(outcome, faces, [0], tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.info["Title"].startswith("Sessions")


def test_a_face_that_is_not_there_is_named_and_nothing_is_written(outcome, faces, tmp_path):
    without = faces.filter(lambda name: name != NAMES[4], input_columns="id")
    with pytest.raises(ValueError, match=r"no image of '000004\.jpg' among the 11 images"):
        session_picture(outcome, without, [4], tmp_path / "p.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sessions", [[], [COUNT], [-1]])
def test_a_session_that_is_not_there_is_an_error(outcome, faces, tmp_path, sessions):
    with pytest.raises(ValueError, match=r"sessions are rows 0\.\.11"):
        session_picture(outcome, faces, sessions, tmp_path / "p.png")


def test_sessions_are_picked_for_the_reason_they_are_titled_by(outcome):
    picked = pick_sessions(outcome, 5, seed=0)
    assert list(picked) == [
        "best final rank", "median final rank", "worst final rank", "most improved", "most harmed"
    ]  # fmt: skip
    # The best and the worst are also the most improved and the most harmed: the next ones take those places.
    best, median, worst, improved, harmed = picked.values()
    assert (best, worst, improved, harmed) == (0, 11, 1, 10)
    assert median in (5, 6)


def test_the_task_pictures_the_session_that_its_report_calls_the_most_harmed(outcome, faces, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "facefb.pictures.session_picture", lambda outcome, faces, sessions, path: drawn.append(sessions)
    )
    task = AttributeFeedback(AttributeFeedbackSettings(), tmp_path)
    task.faces = SimpleNamespace(test=faces)  # pyright: ignore
    unheard = torch.full((COUNT,), 6.0, dtype=torch.float64)
    unheard[3] = 1.0  # found at once if nothing is said, and fourth by what is said
    task.pictures(outcome, tmp_path, unheard)
    assert drawn[0]["most harmed"] == chosen_harmed(outcome, unheard) == 3


def chosen_harmed(outcome: Outcome, unheard: torch.Tensor) -> int:
    """The session that a report with this control calls the most harmed."""
    silent = Ranks(unheard.long()[:, None].expand(-1, TURNS + 1), unheard.long()[:, None].expand(-1, TURNS + 1), COUNT)
    told = chosen_sessions(results_of(outcome), results_of(replace(outcome, ranks=silent)), None)
    return next(int(one["session"]) for one in told["sessions"] if one["why"] == "most harmed")


def test_no_session_is_called_harmed_if_none_was(outcome):
    best = outcome.ranks.best.clone()
    best[:, 0] = COUNT
    unharmed = Outcome(outcome.trial, Ranks(best, best, COUNT), outcome.shown, outcome.measures)
    assert "most harmed" not in pick_sessions(unharmed, 5, seed=0)


@pytest.mark.parametrize("count", [1, 5, 9, COUNT, 100])
def test_no_session_is_picked_twice_and_the_seed_decides(outcome, count):
    picked = pick_sessions(outcome, count, seed=3)
    assert len(set(picked.values())) == len(picked) == min(count, COUNT)
    assert picked == pick_sessions(outcome, count, seed=3)
