"""Claims about replays of our transcripts and of other tools' logs, on a system that counts letters."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from multiturn.settings import EvaluationSettings
from multiturn.study.logs import Log, read_log, read_targets
from multiturn.study.logs.dialogues import to_circled
from multiturn.study.logs.log import Names
from multiturn.study.playing import batches
from multiturn.study.recording import Rules, record
from multiturn.study.replaying import first_difference, replay
from multiturn.study.scripts import Script
from multiturn.study.systems import System
from multiturn.transcript import read_transcript
from tests.multiturn.study.toy import IDS, toy, write_lines

NAMES = Names(IDS, "twenty toys")
RULES = Rules(3, "drop_from_display", run_depth=0)
SETTINGS = EvaluationSettings(4, recall_at=[1, 3], page=3, resamples=20)
SAID = '[{"category": "TEXT", "value": "a"}]'
HEAD = '{"schema": 1}'
SCRIPTS = [
    Script(0, "04.png", ("ab", "+", "cc"), "line 1", opening=()),
    Script(1, "07.png", ("abb", "c", "d"), "line 2", opening=()),
    Script(2, "04.png", ("d", "a"), "line 3", opening=()),
    Script(3, "07.png", ("c", "bbb"), "line 4", opening=("01.png", "02.png")),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transcript of four sessions."""
    folder = tmp_path_factory.mktemp("log")
    record(toy(), batches(SCRIPTS, 8), RULES, folder, {"participants": ["ann", "bo", "bo", "ann"]})
    return folder


def rules_of(log: Log) -> Rules:
    return Rules(log.page_size or 3, log.seen or "keep", 0)


def replayed(log: Log, output: Path, system: System | None = None, rules: Rules | None = None) -> dict[str, Any]:
    return replay(log, system or toy(), SETTINGS, rules or rules_of(log), output, "seed: 0\n", "a <log>")


def test_the_same_system_shows_every_page_and_gives_every_rank_as_it_was(folder: Path, tmp_path: Path):
    log = read_log(folder / "transcript.jsonl", NAMES)
    told = replayed(log, tmp_path / "out")
    assert told["the_same"] == told["with_pages"] == told["sessions"] == 4
    assert [one["ranks"] for one in told["each"]] == [one["log_ranks"] for one in told["each"]]
    assert told["log_per_turn"] == told["per_turn"]
    old, new = (read_transcript(one / "transcript.jsonl").rows for one in (folder, tmp_path / "out"))
    pages = [
        {(row["target"], row["turn"], tuple(row["shown"]), tuple(row["rank"])) for row in rows} for rows in (old, new)
    ]
    assert pages[0] == pages[1] and len(old) == len(new)


def test_another_system_is_marked_at_the_first_turn_with_another_page(folder: Path, tmp_path: Path):
    log = read_log(folder / "transcript.jsonl", NAMES)
    told = replayed(log, tmp_path / "out", toy("other", forgets=True))
    new = read_transcript(tmp_path / "out" / "transcript.jsonl").rows
    for one, logged in zip(told["each"], log.sessions, strict=True):
        pages = [tuple(row["shown"]) for row in new if str(row["session"]) == str(logged.script.number)]
        turns = [turn for turn, page in enumerate(logged.pages) if page != pages[turn]]
        assert one["differs"] == min(turns, default=None)
        assert one["differs"] is None or one["differs"] >= 2  # the first reply alone is remembered by both
    assert any(one["differs"] is not None for one in told["each"])
    for row in told["turns"]:
        later = [one for one in told["each"] if row["turn"] < len(one["ranks"])]
        fine = [one for one in later if one["differs"] is None or one["differs"] >= row["turn"]]
        assert row["sessions"] == len(later) and row["answers_its_page"] == len(fine)
    page = (tmp_path / "out" / "replay.html").read_text()
    assert "a &lt;log&gt;" in page and "would have seen other pages" in page


def test_sessions_that_were_played_together_are_replayed_together(folder: Path):
    parts = read_log(folder / "transcript.jsonl", NAMES).parts
    # The second of the first two likes nothing, so that they were played apart at once.
    assert [[one.name for one in part] for part in parts] == [["0"], ["1"], ["2"], ["3"]]


def test_lines_in_any_order_and_a_torn_last_one_are_read_session_by_session(folder: Path, tmp_path: Path):
    head, *lines = (folder / "transcript.jsonl").read_text().splitlines()
    mixed = sorted(lines, key=lambda line: (json.loads(line)["turn"], -json.loads(line)["session"]))
    path = tmp_path / "mixed.jsonl"
    path.write_text("\n".join([head, *mixed]) + '\n{"session": 9, "tu')
    log = read_log(path, NAMES)
    assert [len(part) for part in log.parts] == [1, 1, 1, 1] and "torn by a crash" in log.notes[0]
    told = replayed(log, tmp_path / "out")
    assert told["the_same"] == 4 and {one["participant"] for one in told["each"]} == {"ann", "bo"}


def test_other_rules_than_the_logs_are_said(folder: Path, tmp_path: Path):
    log = read_log(folder / "transcript.jsonl", NAMES)
    told = replayed(log, tmp_path / "out", rules=replace(RULES, page_size=2, seen="keep"))
    page = (tmp_path / "out" / "replay.html").read_text()
    assert "page size was 3 in the log and is 2 here" in page and "seen was drop_from_display" in page
    assert told["the_same"] == 0


def test_first_differences_pass_over_turns_without_a_page_and_mind_the_order():
    assert first_difference([None, ("a",)], [("x",), ("a",)]) is None
    assert first_difference([("a", "b")], [("b", "a")]) == 0


def test_dialogues_are_told_caption_first_and_found_by_the_name_of_their_file(tmp_path: Path):
    entries = [{"img": "unlabeled2017/04.jpg", "dialog": ["ab", "is it c? yes"]}, {"img": "07.png", "dialog": ["d"]}]
    path = write_lines(tmp_path / "val.json", json.dumps(entries))
    log = read_log(path, NAMES)
    assert [one.script.target for one in log.sessions] == ["04.png", "07.png"]
    assert log.sessions[0].script.said == ("ab", "is it c? yes")
    told = replayed(log, tmp_path / "out")
    assert told["with_pages"] == 0 and told["log_per_turn"] is None and len(told["per_turn"]) == 3
    page = (tmp_path / "out" / "replay.html").read_text()
    assert "2 sessions (dialogues of VisDial) with toy. The log has no pages to compare with." in page


def test_sessions_of_circled_come_from_transcripts_and_go_back(folder: Path, tmp_path: Path):
    whole = read_transcript(folder / "transcript.jsonl")
    texts = replace(whole, rows=[row for row in whole.rows if row["session"] in (1, 2)])
    made = to_circled(texts, "toys")
    assert made[0] == {
        "session_id": 1,
        "subset": "toys",
        "ground_truth_ids": ["07.png"],
        "num_turns": 3,
        "turns": [
            {"turn": 1, "reference_image_id": None, "relative_caption": "abb"},
            *(
                {
                    "turn": row["turn"],
                    "reference_image_id": before["shown"][0],
                    "relative_caption": row["reply"]["text"],
                }
                for before, row in zip(texts.rows[1:3], texts.rows[2:4], strict=True)
            ),
        ],
    }
    path = write_lines(tmp_path / "circled.jsonl", *map(json.dumps, made))
    log = read_log(path, NAMES)
    assert [one.script.said for one in log.sessions] == [("abb", "c", "d"), ("d", "a")]
    told = replayed(log, tmp_path / "out", rules=Rules(1, "drop_from_display", 0))
    assert told["with_pages"] == 2
    with pytest.raises(ValueError, match="session 0, turn 2: CIRCLED has captions, no relevance"):
        to_circled(whole, "toys")


def result_log(*shown: str, said: str = "", category: str = "TEXT") -> dict[str, Any]:
    events = [{"timestamp": 1, "category": category, "type": "query", "value": said}] if said else []
    answers = [{"answer": {"mediaItemName": name.removesuffix(".png")}, "rank": n} for n, name in enumerate(shown, 1)]
    return {"timestamp": 1, "sortType": "score", "results": answers[::-1], "events": events}


def test_streams_of_dres_give_a_search_for_each_session_and_task(tmp_path: Path):
    task = {"class": "TaskStartEvent", "taskTemplate": {"name": "kis-1", "targets": [{"item": {"name": "04"}}]}}
    old = {"results": [{"item": "05", "rank": 1}], "events": [{"category": "TEXT", "type": "q", "value": "cd"}]}
    events = [
        {"class": "RunStartEvent"},
        task,
        {"session": "s", "queryResultLog": result_log("01.png", "02.png", said="ab")},
        {"session": "t", "queryResultLog": old},
        {"session": "s", "queryResultLog": result_log("03.png", said="c", category="FILTER")},
        {"session": "s", "queryResultLog": result_log("03.png", "04.png", said="d")},
    ]
    log = read_log(write_lines(tmp_path / "events.txt", *map(json.dumps, events)), NAMES)
    one, two = log.sessions
    assert (one.name, one.script.said, one.script.target) == ("s/kis-1", ("ab", "d"), "04.png")
    assert one.pages == (None, ("01.png", "02.png"), ("03.png", "04.png")) and log.page_size == 2
    assert two.script.said == ("cd",) and two.pages[1] == ("05.png",)
    assert "1 result logs without a text" in " ".join(log.notes) and "a whole query" in log.notes[0]
    assert replayed(log, tmp_path / "out")["with_pages"] == 2


def test_tasks_of_our_own_export_begin_with_their_opening_page(tmp_path: Path):
    entry = {
        "taskId": "5",
        "target": "07.png",
        "member": "p",
        "results": [result_log("01.png"), result_log("02.png", said="a")],
    }
    (one,) = read_log(write_lines(tmp_path / "dres.json", json.dumps([entry])), NAMES).sessions
    assert one.script.opening == ("01.png",) and one.pages == (("01.png",), ("02.png",))
    assert one.script.participant == "p" and one.name == "5"


def test_bare_result_logs_need_a_target_from_elsewhere(tmp_path: Path):
    path = write_lines(tmp_path / "logs.jsonl", json.dumps(result_log("01.png", said="ab")))
    with pytest.raises(ValueError, match=r"search 0: the log names no target; give it with --targets"):
        read_log(path, NAMES)
    assert read_log(path, NAMES, {"0": "09.png"}).sessions[0].script.target == "09.png"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["[]"], "holds no session"),
        (["[3]"], "entry 1: 3 is no object; a log is a transcript of ours"),
        (['{"songs": 1}'], "begins with songs; a log is a transcript"),
        (['{"img": "04.png", "dialog": ["a"]}', "{"], "line 2: no JSON"),
        (['[{"img": "04.png", "dialog": []}]'], "dialogue 1: a dialogue is an object with img"),
        (['[{"img": "../../etc/shadow", "dialog": ["a"]}]'], "'../../etc/shadow' is not in the gallery of 20"),
        (['[{"ground_truth_ids": ["04.png"], "turns": []}]'], "a session has ground_truth_ids"),
        (['[{"ground_truth_ids": ["04.png"], "turns": [{"text": "a"}]}]'], "a turn has reference_image_id"),
        (['[{"results": [], "events": []}]'], "holds no result log with a TEXT event"),
        (['[{"results": [], "events": null}]'], "holds no result log with a TEXT event"),
        (['[{"results": [], "events": "a"}]'], "search 0: events is 'a'; .* has a list of objects there"),
        (['[{"results": [], "events": ["a"]}]'], "search 0: events is .'a'.; .* has a list of objects there"),
        ([f'[{{"results": ["a"], "events": {SAID}}}]'], "search 0: results is .'a'.; .* has a list of objects there"),
        ([f'[{{"results": [{{"answer": "04"}}], "events": {SAID}}}]'], "search 0: answer is '04'; .* has an object"),
        ([f'[{{"results": [{{"rank": "2"}}], "events": {SAID}}}]'], "rank of a result is '2'; write a whole"),
        (['[{"queryResultLog": "a"}]'], "entry 1: queryResultLog is 'a'; .* has an object there"),
        (['[{"class": "x", "taskTemplate": {"targets": ["04"]}}]'], "entry 1: targets is .'04'.; .* a list of objects"),
        (['[{"results": null, "target": 4}]'], "search 0: target is 4; an image has a name"),
        (['[{"results": [], "target": "04", "rules": {"seen": 3}}]'], "rules is {'seen': 3}; a study's"),
        (['{"schema": 1}'], "holds no turn"),
        ([HEAD, '{"session": 0, "turn": 1, "target": "04.png", "reply": {}, "shown": [], "scores": []}'], "lacks a"),
        ([HEAD, '{"session": 0, "turn": 0, "reply": null, "shown": [], "scores": []}'], "has no target"),
    ],
)  # fmt: skip
def test_a_log_that_cannot_be_read_is_refused_by_its_place(tmp_path: Path, lines: list[str], said: str):
    with pytest.raises(ValueError, match=said):
        read_log(write_lines(tmp_path / "log.json", *lines), NAMES, {"0": "09.png"})


def test_a_result_log_without_results_is_an_empty_page(tmp_path: Path):
    path = write_lines(tmp_path / "log.json", f'[{{"results": null, "events": {SAID}}}]')
    assert read_log(path, NAMES, {"0": "09.png"}).sessions[0].pages == (None, ())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe", "targets.json is not UTF-8"),
        (b"{bad", "targets.json is no JSON"),
        (b'["a"]', "targets.json holds .'a'.; write the targets as {SEARCH: IMAGE}"),
        (b'{"0": 5}', "targets.json holds {'0': 5}; write the targets as {SEARCH: IMAGE}, both in quotes"),
    ],
)
def test_targets_that_cannot_be_read_are_refused_by_the_name_of_their_file(tmp_path: Path, content: bytes, said: str):
    (tmp_path / "targets.json").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read_targets(tmp_path / "targets.json")
    (tmp_path / "targets.json").write_text('{"0": "09.png"}')
    assert read_targets(tmp_path / "targets.json") == {"0": "09.png"}


def test_a_team_is_chosen_only_where_a_log_has_teams(folder: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="knows no teams; leave --team out"):
        read_log(folder / "transcript.jsonl", NAMES, team="one")
    path = write_lines(tmp_path / "log.json", f'[{{"results": [], "target": "04", "team": "two", "events": {SAID}}}]')
    with pytest.raises(ValueError, match=r"no search of the team 'one'; teams there, and their searches: two \(1\)"):
        read_log(path, NAMES, team="one")


def test_a_log_of_replies_that_the_checkpoint_does_not_take_is_refused(folder: Path, tmp_path: Path):
    log = read_log(folder / "transcript.jsonl", NAMES)
    wanted = replace(log.sessions[0].script, said=({"kind": "wanted", "wanted": "+"},) * 3)
    strange = replace(log, parts=[[replace(log.sessions[0], script=wanted)]])
    with pytest.raises(ValueError, match="session 0, turn 1: this retriever understands letters and likes"):
        replayed(strange, tmp_path / "out")
    assert not any((tmp_path / "out").iterdir())
    replayed(log, tmp_path / "out")  # another log goes into the same folder
    with pytest.raises(ValueError, match=r"already holds files; choose another --output_dir, or delete it$"):
        replayed(log, tmp_path / "out")
