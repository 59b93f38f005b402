"""Claims about recorded queries as files have them."""

import json
from pathlib import Path
from typing import Any

import pytest

from multiturn.study.protocol import StudyProtocol
from multiturn.study.scripts import check_targets, read_queries
from tests.multiturn.study.toy import IDS, write_lines

PROTOCOL = StudyProtocol({"toy": "runs/toy"}, turns=3)
GOOD: dict[str, Any] = {"target": "01.png", "participant": "ann", "turns": ["a", {"kind": "text", "text": "b"}]}
CONFIGS = Path(__file__).resolve().parents[3] / "configs" / "studies"


def line(**changes: Any) -> str:
    return json.dumps({key: value for key, value in (GOOD | changes).items() if value is not None})


def test_a_session_a_line_with_texts_or_replies_and_perhaps_times(tmp_path: Path):
    path = write_lines(tmp_path / "q.jsonl", line(seconds=[1, 2.5]), "", line(participant="bo", opening=["02.png"]))
    one, two = read_queries(path, PROTOCOL)
    assert one.said == ("a", {"kind": "text", "text": "b"}) and one.seconds == (1.0, 2.5) and one.opening is None
    assert (two.number, two.participant, two.opening, two.where) == (1, "bo", ("02.png",), "q.jsonl, line 3")


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("{", "line 2: no JSON"),
        ("[]", "line 2: a session is an object with target"),
        (line(turn=["a"]), "line 2: unknown key 'turn'; did you mean turns"),
        (line(target=None), "line 2: target is None"),
        (line(participant=" "), "line 2: participant is ' '"),
        (line(turns=[]), "line 2: turns is"),
        (line(turns=["a", 3]), "line 2: turns is"),
        (line(turns=["a"] * 4), "line 2: 4 turns, but the protocol has 3"),
        (line(seconds=[1.0]), "line 2: seconds is .* how long each of the 2 turns took"),
        (line(seconds=[1.0, -2]), "line 2: seconds is"),
        (line(opening="02.png"), "line 2: opening is"),
        (line(opening=["02.png", "03.png", "02.png"]), "line 2: opening shows '02.png' 2 times; .* leave one"),
        (line(opening=["02.png", "01.png"]), "line 2: opening shows the target '01.png', .* leave it out"),
        ('{"target": "01.png", "target": "02.png"}', "line 2: 'target' stands there twice; keep the one that is meant"),
        ('{"turns": [{"kind": "text", "text": "a", "text": "b"}]}', "line 2: 'text' stands there twice"),
        (line(), "'ann' looked for '01.png' in q.jsonl, line 1 already"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_the_remedy(tmp_path: Path, second: str, said: str):
    path = write_lines(tmp_path / "q.jsonl", line(), second)
    with pytest.raises(ValueError, match=said):
        read_queries(path, PROTOCOL)


def test_a_file_without_sessions_and_a_missing_one_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="holds no session"):
        read_queries(write_lines(tmp_path / "empty.jsonl", ""), PROTOCOL)
    with pytest.raises(FileNotFoundError, match="no queries at"):
        read_queries(tmp_path / "none.jsonl", PROTOCOL)


def test_a_file_that_is_no_text_is_refused_by_its_name(tmp_path: Path):
    (tmp_path / "q.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"q.jsonl is not UTF-8 .*; write the queries as a JSON object a line"):
        read_queries(tmp_path / "q.jsonl", PROTOCOL)


def test_a_target_that_is_not_among_the_protocols_is_refused(tmp_path: Path):
    listed = StudyProtocol({"toy": "runs/toy"}, targets=["02.png"], practice=0)
    with pytest.raises(ValueError, match=r"line 1: '01.png' is not among the 1 targets"):
        read_queries(write_lines(tmp_path / "q.jsonl", line()), listed)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"target": "1.png"}, r"'1.png' is not in the gallery of 20 \(toys\); did you mean '\d\d.png'"),
        ({"target": "../../etc/passwd"}, "line 1: '../../etc/passwd' is not in the gallery"),
        ({"opening": ["../01.png"]}, "line 1: '../01.png' is not in the gallery"),
    ],
)
def test_an_id_that_is_not_in_the_gallery_is_named_and_never_opened(tmp_path: Path, changes: Any, said: str):
    scripts = read_queries(write_lines(tmp_path / "q.jsonl", line(**changes)), PROTOCOL)
    with pytest.raises(ValueError, match=said):
        check_targets(scripts, IDS, "toys")


@pytest.mark.parametrize("name", ["scripted-faces", "scripted-scenes"])
def test_the_examples_that_ship_are_twenty_sessions_of_two_people_and_ten_targets(name: str):
    from multiturn.study.protocol import read_protocol

    scripts = read_queries(CONFIGS / f"{name}.jsonl", read_protocol(CONFIGS / f"{name}.yaml", scripted=True))
    assert len(scripts) == 20 and len({one.target for one in scripts}) == 10
    assert len({one.participant for one in scripts}) == 2 and not any(one.seconds for one in scripts)
