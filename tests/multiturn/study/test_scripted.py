"""Claims about scripted studies, on a system that counts letters."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from multiturn.gallery import Gallery
from multiturn.run_folder import read_run
from multiturn.session import Session
from multiturn.settings import EvaluationSettings
from multiturn.study.people import best_of_users, found, spread
from multiturn.study.playing import batches, play_together, with_opening
from multiturn.study.protocol import StudyProtocol
from multiturn.study.recording import Rules, first_shown, results_of
from multiturn.study.scripted import run_study
from multiturn.study.scripts import Script
from multiturn.transcript import read_transcript
from multiturn.trec import read_trec
from tests.multiturn.study.toy import GALLERY, IDS, VECTORS, toy

PROTOCOL = StudyProtocol({"all": "runs/all", "last": "runs/last"}, title="Toys & <letters>", turns=4, page_size=3)
SETTINGS = EvaluationSettings(4, 4, PROTOCOL.seen, [1, 3], 3, resamples=20)
RULES = Rules(3, "keep")
SCRIPTS = [
    Script(0, "04.png", ("ab", "+", "cc"), "line 1", "ann", (2.0, 4.0, 6.0)),
    Script(1, "07.png", ("abb", "c"), "line 2", "ann"),
    Script(2, "04.png", ("d", "a", "bbb"), "line 3", "bo"),
    Script(3, "07.png", ("c", "+"), "line 4", "bo", (1.0, 2.0)),
    Script(4, "11.png", ("<script>alert(1)</script>", "aa", "d", "d"), "line 5", "bo"),
]


def study(output: Path, **changes: Any) -> dict[str, Any]:
    asked: dict[str, Any] = {"scripts": SCRIPTS, "rules": replace(RULES, seen=PROTOCOL.seen), **changes}
    systems = changes.pop("systems", [toy("all"), toy("last", forgets=True)])
    return run_study(PROTOCOL, asked["scripts"], systems, SETTINGS, asked["rules"], output, "seed: 0\n")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("study") / "run"
    study(output)
    return output


def by_hand(script: Script) -> tuple[list[list[str]], list[int]]:
    """Pages and ranks of a script, computed from the letters."""
    query, pages, ranks = torch.zeros(4), [], []
    target = IDS.index(script.target)
    for turn in range(len(script.said) + 1):
        if turn:
            said = script.said[turn - 1]
            assert isinstance(said, str)
            query = query + (
                VECTORS[IDS.index(pages[-1][0])] if said == "+" else torch.tensor([said.count(one) for one in "abcd"])
            )
        scores = (VECTORS @ query).double()
        pages.append([IDS[place] for place in scores.argsort(descending=True, stable=True)[:3]])
        ranks.append(1 + int((scores > scores[target]).sum()))
    return pages, ranks


def test_every_session_gets_the_pages_and_ranks_that_it_gets_alone():
    parts = list(batches(SCRIPTS, 2))
    assert [[script.number for script in part] for part in parts] == [[0, 2], [1, 3], [4]]
    done = [one for part in parts for one in play_together(toy(), part, 3, "keep")]
    assert sorted(script.number for one in done for script in one.scripts) == [0, 1, 2, 3, 4]
    for one in done:
        for row, script in enumerate(one.scripts):
            pages, ranks = by_hand(script)
            shown = [[IDS[place] for place in turn.shown[row].tolist()] for turn in one.turns]
            assert shown == pages
            assert [int(turn.ranks.best[row]) for turn in one.turns if turn.ranks is not None] == ranks


def test_words_that_repeat_are_those_of_the_same_session():
    pair = [Script(0, "04.png", ("ab", "again"), "line 1"), Script(1, "07.png", ("cd", "again"), "line 2")]
    (together,) = play_together(toy(), pair, 3, "keep")
    for row, script in enumerate(pair):
        (alone,) = play_together(toy(), [script], 3, "keep")
        assert together.turns[2].shown[row].tolist() == alone.turns[2].shown[0].tolist()
    reply = together.turns[2].reply
    assert reply is not None and [one["text"] for one in reply.rows(IDS)] == ["ab", "cd"]


def test_sessions_of_another_length_keep_their_last_rank_and_are_counted():
    done = [one for part in batches(SCRIPTS, 8) for one in play_together(toy(), part, 3, "keep")]
    results = results_of(toy(), done, RULES)
    assert results.ended_early() == [0, 0, 0, 2, 4] and results.protocol["ended"] == "carry"
    assert bool((results.ranks.best[1, 2:] == results.ranks.best[1, 2]).all())
    missed = results_of(toy(), done, replace(RULES, ended="missed"))
    assert missed.ranks.best[1].tolist()[3:] == [20, 20]


def test_the_best_person_of_an_image_is_whose_last_rank_is_best_and_the_first_to_get_there():
    done = [one for part in batches(SCRIPTS, 8) for one in play_together(toy(), part, 3, "keep")]
    results = results_of(toy(), done, RULES)
    best = best_of_users(results, {str(one.number): one.participant for one in SCRIPTS})
    finals = {target: [] for target in best.targets}
    for row, target in enumerate(results.targets):
        finals[target].append(int(results.ranks.best[row, -1]))
    assert sorted(best.targets) == ["04.png", "07.png", "11.png"]
    assert [int(rank) for rank in best.ranks.best[:, -1]] == [min(finals[target]) for target in best.targets]


def test_people_are_counted_one_by_one_and_times_where_they_were_taken():
    done = [one for part in batches(SCRIPTS, 8) for one in play_together(toy(), part, 3, "keep")]
    shown = first_shown(toy(), done)
    for script in SCRIPTS:
        pages, _ = by_hand(script)
        there = [turn for turn, page in enumerate(pages) if turn and script.target in page]
        assert shown[str(script.number)] == min(there, default=None)
    told = found(SCRIPTS, shown)
    assert told["timed"] == 2 and told["seconds"] == 7.5 and told["seconds_per_turn"] == [1.5, 3.0, 6.0]
    people = spread(results_of(toy(), done, RULES), SCRIPTS, shown)["people"]
    assert [(one["participant"], one["sessions"], one["turns"]) for one in people] == [("ann", 2, 2.5), ("bo", 3, 3.0)]
    assert people[0]["seconds"] == 12.0 and people[1]["seconds"] == 3.0


def test_the_opening_page_is_the_same_for_all_and_never_shows_the_target():
    likes = Script(0, "04.png", ("+", "a"), "line 1", "ann")
    one, two = (with_opening(toy(name), likes, 3, seed=5) for name in "ab")
    assert one.opening == two.opening and one.opening is not None
    assert len(set(one.opening)) == 3 and "04.png" not in one.opening
    assert with_opening(toy(), SCRIPTS[0], 3, seed=5).opening == ()  # letters speak of nothing that is shown


def test_a_study_leaves_a_run_of_each_system_and_one_page(played: Path):
    study = json.loads((played / "metrics.json").read_text())
    assert list(study["systems"]) == ["all", "last"] and study["lengths"] == {"2": 2, "3": 2, "4": 1}
    run = read_run(played / "all")
    assert run.sessions == ("0", "1", "2", "3", "4") and run.protocol["ended"] == "carry"
    rows = study["systems"]["all"]["per_turn"]
    assert [row["turn"] for row in rows] == [0, 1, 2, 3, 4]
    assert rows[4]["R@1"] == pytest.approx(float((run.ranks.best[:, 4] == 1).double().mean()))
    lists = read_trec(played / "all" / "run.trec", played / "all" / "qrels.trec")
    assert lists.targets["4", 4] == "11.png"
    header = read_transcript(played / "all" / "transcript.jsonl").header
    assert header["participants"] == ["ann", "ann", "bo", "bo", "bo"]


def test_what_people_said_is_escaped_on_the_page(played: Path):
    page = (played / "report.html").read_text()
    assert "Toys &amp; &lt;letters&gt;" in page and "<script>" not in page
    assert len(set(part.split('"')[0] for part in page.split(' id="')[1:])) == page.count(' id="')


def test_systems_are_compared_over_targets_and_over_the_best_people(played: Path):
    study = json.loads((played / "metrics.json").read_text())
    (first, *_), (best, *_) = (study["comparisons"][name]["tests"] for name in ("all", "best"))
    assert first["sessions"] == best["sessions"] == 3 and first["of"] == "last" and first["over"] == "all"


def test_a_transcript_of_a_study_is_what_a_session_of_one_shows(played: Path):
    transcript = read_transcript(played / "all" / "transcript.jsonl")
    rows = [row for row in transcript.rows if row["session"] == 2]
    opening = torch.empty(1, 0, dtype=torch.long)
    session = Session(toy().retriever, GALLERY, torch.tensor([2]), 3, None, PROTOCOL.seen, opening)
    assert session.show().shown.tolist() == [[]] and rows[0]["shown"] == []
    for row in rows[1:]:
        turn = session.tell(toy().task.read_reply(row["reply"]["text"], session.show()))
        assert [IDS[place] for place in turn.shown[0].tolist()] == row["shown"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("xyz", "line 9, turn 2: 'xyz' has none of the letters"),
        ({"kind": "wanted", "wanted": "+"}, "line 9, turn 2: this retriever understands letters and likes, not Wanted"),
        ({"kind": "relevance", "judged": ["../x"], "liked": "+"}, "line 9, turn 2: .*'../x': was it said to another"),
        ({"kind": "relevance", "judged": 5, "liked": "+"}, "line 9, turn 2: a reply holds a value of the wrong type"),
        ({"kind": "song"}, "line 9, turn 2: unknown kind of reply 'song'"),
    ],
)
def test_what_the_task_does_not_take_is_named_by_line_and_turn(said: Any, message: str, tmp_path: Path):
    strange = Script(1, "04.png", ("a", said), "line 9", "ann")
    with pytest.raises(ValueError, match=message):
        study(tmp_path / "run", scripts=[Script(0, "04.png", ("a", "b"), "line 8", "bo"), strange])
    assert not any((tmp_path / "run").iterdir())
    study(tmp_path / "run")  # put right, it goes into the same folder


def test_a_study_writes_over_nothing_and_names_no_option_that_is_not_there(played: Path, tmp_path: Path):
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "transcript.jsonl").write_text("of a live study")
    for folder in (played, tmp_path):
        with pytest.raises(ValueError, match=r"already holds files; choose another --output_dir, or delete it$"):
            study(folder)
    assert (tmp_path / "all" / "transcript.jsonl").read_text() == "of a live study" and len([*tmp_path.iterdir()]) == 1


def test_a_gallery_that_is_not_the_queries_is_refused(tmp_path: Path):
    other = Gallery(("x.png", "y.png"), VECTORS[:2], "letters", "two others")
    with pytest.raises(ValueError, match=r"line 1: '04.png' is not in the gallery of 2 \(two others\)"):
        study(tmp_path / "run", systems=[toy("all", gallery=other)])


def test_a_system_whose_name_is_no_folder_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"system '../up' cannot name a folder"):
        study(tmp_path / "run", systems=[toy("../up")])
