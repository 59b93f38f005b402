"""Claims about the picture of sessions: what it shows of whom, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from PIL import Image, ImageColor

from drilldown.drill_down import DrillDown
from drilldown.pictures import ACROSS, COLOURS, GAP, SAID, pick_sessions, session_picture, text_colour, walk
from drilldown.recurrent import RHRE
from multiturn.gallery import Gallery
from multiturn.ranks import Ranks
from multiturn.regions import Regions
from multiturn.replies import TextReply
from multiturn.trial import Outcome, run
from tests.drilldown.small_trials import CAPTIONS, IDS, IMAGES, NOUNS, STATES, TURNS, WIDE, images, trial


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return run(trial(), 5, show_progress=False)


@pytest.fixture(scope="module")
def pictures() -> Dataset:
    return images()


def test_a_walk_tells_the_queries_and_the_ranks_of_its_session(outcome: Outcome):
    ranks = outcome.ranks.under("expected")
    for target in range(IMAGES):
        one = walk(outcome.trial, target)
        assert (one.target, list(one.queries)) == (IDS[target], CAPTIONS[target])
        assert list(one.ranks) == ranks[target, 1:].tolist()


def test_the_states_of_a_walk_are_those_of_the_policy():
    assert walk(trial("fixed"), 2).slots == (0, 1, 2, 0, 1)
    assert walk(trial("first"), 2).slots == (0, 1, 2, 0, 0)


@pytest.mark.parametrize("target", [0, 1])
def test_the_regions_of_a_state_are_those_of_the_largest_cosine(target: int):
    given = trial()
    model, gallery = given.retriever, given.gallery
    assert isinstance(model, DrillDown) and gallery.mask is not None and gallery.boxes is not None
    state = model.start(1, gallery)
    with torch.no_grad():
        for text in CAPTIONS[target]:
            state = model.update(state, TextReply((text,)), gallery)
        regions = model.projection.map(gallery.vectors[target])
    for slot, boxes in enumerate(walk(given, target).looks):
        cosines = [
            float(torch.cosine_similarity(state.states.vectors[0, slot].double(), region.double(), dim=0))
            if real
            else -2.0
            for region, real in zip(regions, gallery.mask[target].tolist(), strict=True)
        ]
        order = sorted(range(len(cosines)), key=lambda place: -cosines[place])[:3]
        assert [list(box) for box in boxes] == [gallery.boxes[target, place].tolist() for place in order]


def test_an_image_of_one_region_has_one_box_a_state():
    given = trial()
    gallery = given.gallery
    assert gallery.mask is not None and gallery.boxes is not None
    only = Regions(gallery.vectors[:, :1], gallery.boxes[:, :1], gallery.mask[:, :1])
    one = walk(replace(given, gallery=Gallery.of(IDS, only, "made up", "one region each")), 4)
    assert [len(boxes) for boxes in one.looks] == [1] * STATES


def test_a_session_shorter_than_the_states_has_pictures_of_the_filled_ones_alone():
    assert len(walk(trial(turns=2), 3).looks) == 2


def test_boxes_are_drawn_in_the_colour_of_their_state_on_the_target(
    outcome: Outcome, pictures: Dataset, tmp_path: Path
):
    walks = session_picture(outcome, pictures, [3], tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as picture:
        top = picture.height - GAP - max(round(ACROSS * 20 / 30), 1)
        shown = picture.convert("RGB")
        assert picture.width == SAID + STATES * (ACROSS + GAP) + GAP
    height = round(ACROSS * 20 / 30)
    blank = (30, 200, 225)
    for slot, boxes in enumerate(walks[0].looks):
        left = SAID + slot * (ACROSS + GAP)
        rows = [y for y in range(shown.height) if shown.getpixel((left + ACROSS // 2, y)) != (255, 255, 255)]
        start = min(y for y in rows if y > 2 * 20)
        assert start <= top
        for box in boxes:
            inside = round(box[2] * ACROSS) - 2, start + round((box[1] + box[3]) / 2 * height)
            assert shown.getpixel((left + inside[0], inside[1])) == ImageColor.getrgb(COLOURS[slot])
        for cell in range(9):
            middle = (cell % 3 + 0.5) / 3, (cell // 3 + 0.5) / 3
            assert shown.getpixel((left + round(middle[0] * ACROSS), start + round(middle[1] * height))) == blank


def test_every_session_that_is_asked_for_is_drawn_in_order(outcome: Outcome, pictures: Dataset, tmp_path: Path):
    walks = session_picture(outcome, pictures, {"one": 5, "other": 0}, tmp_path / "p.png")
    assert [one.target for one in walks] == [IDS[5], IDS[0]]


def test_the_same_sessions_give_the_same_bytes(outcome: Outcome, pictures: Dataset, tmp_path: Path):
    session_picture(outcome, pictures, [1], tmp_path / "a.png")
    session_picture(outcome, pictures, [1], tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_picture_carries_its_title(outcome: Outcome, pictures: Dataset, tmp_path: Path):
    session_picture(outcome, pictures, [0], tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as picture:
        assert picture.info["Title"].startswith("Sessions: the state that each query was written to")


@pytest.mark.parametrize("sessions", [[], [IMAGES], [-1]])
def test_a_session_that_is_not_there_is_an_error(
    outcome: Outcome, pictures: Dataset, sessions: list[int], tmp_path: Path
):
    with pytest.raises(ValueError, match=r"sessions are rows 0\.\.11"):
        session_picture(outcome, pictures, sessions, tmp_path / "p.png")


def test_an_image_that_is_not_there_is_named_and_nothing_is_written(
    outcome: Outcome, pictures: Dataset, tmp_path: Path
):
    without = pictures.filter(lambda name: name != IDS[4], input_columns="id")
    with pytest.raises(ValueError, match=r"no image of '04\.png' among the 11 images"):
        session_picture(outcome, without, [4], tmp_path / "p.png")
    assert list(tmp_path.iterdir()) == []


def test_regions_without_boxes_cannot_be_drawn():
    with pytest.raises(ValueError, match="has no boxes to draw"):
        walk(trial(boxes=False), 0)


def test_a_model_without_state_vectors_cannot_be_drawn():
    other = RHRE(list(NOUNS), "made up", WIDE, dim=16, embedding_dim=8).eval()
    with pytest.raises(ValueError, match="has no state vectors to draw"):
        walk(replace(trial(), name="R-HRE", retriever=other), 0)


def test_sessions_are_picked_for_the_reason_they_are_titled_by(outcome: Outcome):
    final = torch.tensor([5, 9, 2, 7, 11, 1, 3, 4, 6, 8, 10, 12])[:, None].expand(-1, TURNS + 1).contiguous()
    picked = pick_sessions(replace(outcome, ranks=Ranks(final, final, IMAGES)), 4, seed=0)
    ranks = {reason: int(final[row, -1]) for reason, row in picked.items()}
    assert list(ranks.items())[:3] == [("best final rank", 1), ("median final rank", 7), ("worst final rank", 12)]
    assert list(ranks)[3].startswith("at random")


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100])
def test_no_session_is_picked_twice_and_the_seed_decides(outcome: Outcome, count: int):
    picked = pick_sessions(outcome, count, seed=3)
    assert len(set(picked.values())) == len(picked) == min(count, IMAGES)
    assert picked == pick_sessions(outcome, count, seed=3)


def test_picking_no_session_is_refused(outcome: Outcome):
    with pytest.raises(ValueError, match="count must be at least 1, not 0"):
        pick_sessions(outcome, 0, seed=0)


def test_numbers_are_black_on_light_colours_and_white_on_dark_ones():
    assert [text_colour(colour) for colour in ("#000000", "#0072b2", "#f0e442")] == ["white", "white", "black"]
