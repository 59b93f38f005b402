"""Claims about the sessions of a page: what was said and shown stands there, small, escaped, and the same again."""

import json
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image

from multiturn.ranks import Ranks
from multiturn.replies import AttributeReply, ImageReply, RelevanceReply, Reply, TextReply, WantedReply
from multiturn.report.page import report_run, write_report
from multiturn.report.session_views import session_notes, session_views
from multiturn.report.sessions import PAGE, keep_sessions, kept_sessions
from multiturn.results import Candidates, Results
from tests.multiturn.test_report import made_up_metrics

SIZE, SESSIONS, TURNS = 300, 12, 2
IDS = [f"{place:06d}.jpg" for place in range(SIZE)]
NAMES = ["Smiling", "Wearing_Hat", "Young"]
BAD = "<script>alert(1)</script>"
SIGNS = torch.tensor([[1, -1, 1]], dtype=torch.int8)
REPLIES: dict[str, Reply] = {
    "text": TextReply(("a red ball",)),
    "attributes": AttributeReply(torch.tensor([1]), SIGNS, torch.tensor([[1, 1, -1]], dtype=torch.int8)),
    "wanted": WantedReply(SIGNS),
    "relevance": RelevanceReply(torch.tensor([[1, 2, 3]]), torch.tensor([[1, -1, 0]], dtype=torch.int8)),
    "image": ImageReply((IDS[50],), torch.zeros(1, 4)),
}


def results(name: str = "GRU") -> Results:
    """Session i looks for image i, whose rank is 20 + i, then 10, then 1 + i."""
    best = torch.stack([torch.arange(SESSIONS) + 20, torch.full((SESSIONS,), 10), torch.arange(SESSIONS) + 1], 1)
    numbers = tuple(str(place) for place in range(SESSIONS))
    played = torch.full((SESSIONS,), TURNS)
    return Results(
        name, Ranks(best, best, SIZE), numbers, tuple(IDS[:SESSIONS]), Candidates(SIZE, "any"), {}, 0, played
    )


def write_transcript(folder: Path, reply: Mapping[str, Any] | None, page: int = 4, **header: object) -> Path:
    """Every session is told the same at each turn; the page begins with its own target."""
    made = results()
    lines: list[object] = [{"schema": 1, "attributes": NAMES, **header}]
    for session in range(SESSIONS):
        for turn in range(TURNS + 1):
            rank = int(made.ranks.best[session, turn])
            shown = [IDS[session], *(IDS[place] for place in range(1, page + 1) if place != session)][:page]
            told = reply if turn else None
            lines.append({"session": session, "turn": turn, "target": IDS[session], "reply": told, "shown": shown,
                          "scores": [0.0] * page, "rank": [rank, rank]})  # fmt: skip
    path = folder / "transcript.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def images(count: int = 60, side: int = 40, noise: bool = False) -> Dataset:
    """Pictures of one colour each, or of noise, which compresses badly."""
    rng = np.random.default_rng(0)
    pictures = [
        Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8))
        if noise
        else Image.new("RGB", (side, side), (place, 0, 0))
        for place in range(count)
    ]
    return Dataset.from_dict({"id": IDS[:count], "image": pictures})


class Page(HTMLParser):
    """Tags of a page, the text in them, and its images."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.text = ""
        self.feed(page)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


@pytest.fixture(scope="module")
def metrics() -> dict:
    return made_up_metrics()


def page_of(folder: Path, metrics: dict) -> str:
    return write_report(folder, metrics, {}, {}, "seed: 0\n", kept_sessions(folder)).read_text()


WORDS = {
    "text": "a red ball",
    "attributes": "Same: Smiling, not Wearing Hat",
    "wanted": "Wanted: Smiling, not Wearing Hat, Young",
    "relevance": "1 liked, 1 disliked",
    "image": f"example image {IDS[50]}",
}


@pytest.mark.parametrize("kind", REPLIES)
def test_a_reply_of_each_kind_is_told_in_words(kind: str, metrics: dict, tmp_path: Path):
    write_transcript(tmp_path, REPLIES[kind].rows(IDS)[0])
    keep_sessions(tmp_path, results(), images=images())
    assert WORDS[kind] in Page(page_of(tmp_path, metrics)).text


def test_likes_stand_at_the_images_that_were_judged_one_turn_before():
    kept = {"attributes": [], "thumbnails": {}, "sessions": [
        {"why": "w", "session": "0", "target": "t", "unheard": None, "turns": [
            {"turn": 0, "reply": None, "shown": ["a", "b", "c"], "rank": [5, 5]},
            {"turn": 1, "reply": {"kind": "relevance", "judged": ["a", "c"], "liked": "+-"}, "shown": ["a", "d"],
             "rank": [2, 3]}]}]}  # fmt: skip
    first, second = session_views(kept)[0].turns
    assert [picture.mark for picture in first.pictures] == ["liked", "", "disliked"]
    assert [picture.mark for picture in second.pictures] == ["", ""]
    assert first.pictures[2].alt == "c, shown third, disliked"
    assert (first.rank, second.rank) == ("5", "2–3")


def test_an_example_image_is_shown_where_it_is_in_the_data_and_else_only_named(tmp_path: Path):
    write_transcript(tmp_path, REPLIES["image"].rows(IDS)[0])
    keep_sessions(tmp_path, results(), images=images())
    example = session_views(kept_sessions(tmp_path) or {})[0].turns[1].example
    assert example is not None and example.source.startswith("data:image/jpeg;base64,") and IDS[50] in example.alt
    write_transcript(tmp_path, {"kind": "image", "name": "my-photo.png", "vector": [0.0]})
    keep_sessions(tmp_path, results(), images=images())
    kept = kept_sessions(tmp_path) or {}
    example = session_views(kept)[0].turns[1].example
    assert example is not None and (example.id, example.source) == ("my-photo.png", "")
    assert kept["missing"] == []


def test_only_the_target_is_framed_and_every_picture_has_words(metrics: dict, tmp_path: Path):
    write_transcript(tmp_path, REPLIES["text"].rows(IDS)[0])
    keep_sessions(tmp_path, results(), images=images())
    for view in session_views(kept_sessions(tmp_path) or {}):
        for turn in view.turns:
            assert [picture.id for picture in turn.pictures if picture.framed] == [view.target.id]
    page = Page(page_of(tmp_path, metrics))
    assert len(page.images) == 8 * (1 + 3 * 4)
    assert all(image["alt"] for image in page.images)


def test_of_a_large_page_the_first_are_shown_and_the_target_wherever_it_stood(tmp_path: Path):
    path = write_transcript(tmp_path, None, page=20)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines[1:]:
        line["shown"] = [*line["shown"][1:], line["target"]]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    keep_sessions(tmp_path, results())
    for view in session_views(kept_sessions(tmp_path) or {}):
        for turn in view.turns:
            assert len(turn.pictures) == PAGE + 1 and turn.more == 20 - PAGE - 1
            assert turn.pictures[-1].framed


@pytest.mark.parametrize(
    "reply",
    [{"kind": "text", "text": BAD}, {"kind": "image", "name": BAD}, {"kind": BAD},
     {"kind": "relevance", "judged": [BAD], "liked": "+"},
     {"kind": "attributes", "about": BAD, "candidate": "+++", "relevance": "---"}],
    ids=["text", "example", "kind", "judged", "about"],
)  # fmt: skip
def test_a_reply_cannot_smuggle_a_script(reply: dict, metrics: dict, tmp_path: Path):
    write_transcript(tmp_path, reply, attributes=[BAD] * 3)
    keep_sessions(tmp_path, results())
    page = page_of(tmp_path, metrics)
    assert "<script" not in page
    if reply["kind"] != "relevance":  # Whose names are not printed: they mark pictures.
        assert "&lt;script&gt;" in page


def test_an_id_cannot_smuggle_a_script(metrics: dict, tmp_path: Path):
    path = write_transcript(tmp_path, None)
    path.write_text(path.read_text().replace(IDS[2], BAD))
    keep_sessions(tmp_path, results())
    page = page_of(tmp_path, metrics)
    assert "<script" not in page and "&lt;script&gt;" in page


def test_a_run_without_images_shows_ids_and_replies(metrics: dict, tmp_path: Path):
    write_transcript(tmp_path, REPLIES["text"].rows(IDS)[0])
    keep_sessions(tmp_path, results())
    page = Page(page_of(tmp_path, metrics))
    assert page.images == []
    assert page.text.count("a red ball") == 8 * TURNS
    assert IDS[0] in page.text and "No pictures were kept with these results" in page.text


def test_missing_images_are_named_once(metrics: dict, tmp_path: Path):
    write_transcript(tmp_path, None)
    keep_sessions(tmp_path, results(), images=images(3))
    kept = kept_sessions(tmp_path) or {}
    assert IDS[0] not in kept["missing"] and IDS[3] in kept["missing"]
    page = Page(page_of(tmp_path, metrics))
    assert page.text.count("images are not found, such as") == 1


def test_the_harmed_session_is_harmed_against_the_control(tmp_path: Path):
    write_transcript(tmp_path, None)
    control = results("control")
    best = control.ranks.best.clone()
    best[:, -1] = torch.tensor([SIZE] * 4 + [1] + [SIZE] * 7)
    object.__setattr__(control, "ranks", Ranks(best, best, SIZE))
    keep_sessions(tmp_path, results(), control)
    kept = kept_sessions(tmp_path) or {}
    harmed = next(view for view in session_views(kept) if view.why == "Most harmed")
    assert (harmed.name, harmed.course, harmed.unheard) == ("4", ("24", "5"), "1")
    assert any("than without any feedback" in note for note in session_notes(kept))


def test_sessions_of_one_target_keep_their_own_turns(tmp_path: Path):
    """Two sessions of one target have one number in the transcript, and stand in it in the order of the trial."""
    shown = [{"session": 3, "turn": turn, "target": "t", "reply": None, "shown": [f"{who}{turn}"], "scores": [0.0],
              "rank": [rank, rank]} for turn in (0, 1) for who, rank in (("a", 5), ("b", 9))]  # fmt: skip
    path = tmp_path / "transcript.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in [{"schema": 1}, *shown]))
    ranks = torch.tensor([[5, 5], [9, 9]])
    both = Results(
        "m", Ranks(ranks, ranks, 9), ("0", "1"), ("t", "t"), Candidates(9, "any"), {}, 0, torch.ones(2).long()
    )
    keep_sessions(tmp_path, both)
    found = {
        view.name: [turn.pictures[0].id for turn in view.turns] for view in session_views(kept_sessions(tmp_path) or {})
    }
    assert found == {"0": ["a0", "a1"], "1": ["b0", "b1"]}


def write_run(folder: Path, metrics: dict) -> Path:
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "config.yaml").write_text("seed: 0\n")
    return folder


@pytest.mark.slow
def test_the_page_is_the_same_when_it_is_made_again_from_the_folder(metrics: dict, tmp_path: Path):
    write_transcript(tmp_path, REPLIES["relevance"].rows(IDS)[0])
    keep_sessions(write_run(tmp_path, metrics), results(), results("control"), images())
    report_run(tmp_path)
    first = (tmp_path / "report.html").read_bytes()
    (tmp_path / "report.html").unlink()
    (tmp_path / "transcript.jsonl").unlink()  # All that the page tells is kept beside it.
    report_run(tmp_path)
    assert (tmp_path / "report.html").read_bytes() == first


def test_a_run_whose_sessions_were_not_kept_shows_those_of_its_transcript(metrics: dict, tmp_path: Path):
    write_transcript(write_run(tmp_path, metrics), REPLIES["text"].rows(IDS)[0])
    views = session_views(kept_sessions(tmp_path) or {})
    assert [view.why for view in views][:3] == ["Best final rank", "Median final rank", "Worst final rank"]
    assert views[0].turns[1].said.text == "a red ball"


def test_a_run_of_ranks_alone_shows_their_course_and_says_so(metrics: dict, tmp_path: Path):
    keep_sessions(tmp_path, results())
    page = Page(page_of(tmp_path, metrics)).text
    assert "These results hold ranks alone" in page
    assert f"{IDS[0]} Target Rank 20 → 1 of 300" in page


def test_a_folder_with_neither_transcript_nor_ranks_has_no_sessions(metrics: dict, tmp_path: Path):
    assert kept_sessions(write_run(tmp_path, metrics)) is None
    assert 'id="sessions"' not in page_of(tmp_path, metrics)


def test_a_damaged_file_of_sessions_is_named(tmp_path: Path):
    (tmp_path / "sessions.json").write_text("{")
    with pytest.raises(ValueError, match=r"sessions\.json is not JSON .*evaluate the run again"):
        kept_sessions(tmp_path)


def test_keeping_sessions_leaves_no_partial_file(tmp_path: Path):
    write_transcript(tmp_path, None)
    keep_sessions(tmp_path, results(), images=images())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sessions.json", "transcript.jsonl"]
