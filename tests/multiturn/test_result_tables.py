"""Claims about files of results: each format is read alike, and a file that cannot be read is named with the remedy."""

import json
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from multiturn.rank_rows import Searched
from multiturn.result_files import read_ranks, read_scores
from multiturn.results import Candidates

IDS = ("000", "001", "002", "003", "004")
KNOWN = Searched(Candidates(5, "five"), IDS)
COLUMNS = "session,turn,target,rank"
HEADER = ("session", "turn", "target", "rank")
RANKS = [("7", 0, "001", 4), ("7", 1, "001", 2), ("8", 0, "004", 5), ("8", 1, "004", 1)]


def written(path: Path) -> Path:
    """The same ranks in the format of the path."""
    if path.suffix == ".parquet":
        columns = zip(*RANKS, strict=True)
        pyarrow.parquet.write_table(pyarrow.table(dict(zip(HEADER, map(list, columns), strict=True))), path)
        return path
    if path.suffix == ".jsonl":
        lines = [json.dumps(dict(zip(HEADER, row, strict=True))) for row in RANKS]
    else:
        between = {".csv": ",", ".tsv": "\t"}[path.suffix]
        lines = [between.join(map(str, row)) for row in (HEADER, *RANKS)]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".tsv", ".jsonl"])
def test_a_table_says_the_same_in_every_format_and_ids_of_digits_keep_their_zeros(tmp_path, suffix):
    rows = read_ranks(written(tmp_path / f"ranks{suffix}"), KNOWN, None, None, 0)
    found = zip(rows.sessions, rows.turns, rows.targets, rows.best.tolist(), strict=True)
    assert list(found) == RANKS


def test_lists_of_scores_are_read_from_objects_one_a_line(tmp_path):
    line = {"session": "s", "turn": 1, "target": "002", "scores": [0.5, 0.1, 0.4, 0.2, 0.4]}
    (tmp_path / "scores.jsonl").write_text(json.dumps(line) + "\n")
    rows = read_scores(tmp_path / "scores.jsonl", KNOWN, None, None, 0)
    assert (rows.best.tolist(), rows.worst.tolist()) == ([2], [3])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.csv", "", "is empty; write it again"),
        ("r.npy", "", "is empty; write it again"),
        ("r.csv", "session,turn,target,rank\n", "has columns .session, turn, target, rank. and no row; write one"),
        ("r.csv", "session;turn;target;rank\n1;0;000;2\n", "its columns stand apart by ';'; write commas in a .csv"),
        ("r.tsv", "session,turn,target,rank\n1,0,000,2\n", "its columns stand apart by ','; .* and tabs in a .tsv"),
        ("r.csv", f"{COLUMNS}\n1,0,000\n", "cannot be read as csv: .* Expected 4 columns, got 3"),
        ("r.jsonl", '{"session": 1', "cannot be read as jsonl: "),
        ("r.parquet", "PAR1", "cannot be read as parquet: "),
        ("r.npy", "no array", "cannot be read as an array of numbers: "),
        ("r.csv", f"{COLUMNS}\n1,0,000,2\n1,1,000,first\n", "'rank' holds 'first' in row 2 below the head"),
        ("r.csv", f"{COLUMNS}\n1,zero,000,2\n", "'turn' holds 'zero' in row 1 below the header, which is"),
        ("r.csv", f"{COLUMNS}\n1,0.5,000,2\n", "turns are whole numbers from 0, .* holds such as 0.5"),
        ("r.xlsx", "session", r"ends with '.xlsx', and files of results with .parquet, .csv, .*, with .trec"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_named_with_the_reason_and_the_remedy(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message) as refused:
        read_ranks(tmp_path / name, KNOWN, None, None, 0)
    assert str(tmp_path / name) in str(refused.value)


@pytest.mark.parametrize("name", ["r.csv", "r.tsv", "r.jsonl", "r.parquet", "r.npy", "r.trec", "r"])
@pytest.mark.parametrize("read", [read_ranks, read_scores])
def test_a_file_that_is_not_there_is_named(tmp_path, name, read):
    with pytest.raises(FileNotFoundError, match=f"^there is no file {tmp_path / name}$"):
        read(tmp_path / name, KNOWN, tmp_path / "qrels.txt", None, 0)


def test_a_run_that_is_no_text_is_named(tmp_path):
    (tmp_path / "run").write_bytes(b"\xff\xfe")
    (tmp_path / "qrels").write_text("s_1 0 000 1\n")
    with pytest.raises(ValueError, match=f"{tmp_path / 'run'} or .* is no text"):
        read_ranks(tmp_path / "run", KNOWN, tmp_path / "qrels", None, 0)


def lists(path: Path, listed: dict[tuple[str, int], list[str]]) -> Path:
    """Scores of some candidates, from the best down; session s looks for 000, session t for 004."""
    lines = ["session,turn,target,candidate,score"]
    for (session, turn), names in listed.items():
        target = {"s": "000", "t": "004"}[session]
        lines += [f"{session},{turn},{target},{name},{-place}" for place, name in enumerate(names)]
    path.write_text("\n".join(lines))
    return path


def test_lists_that_end_early_say_how_much_is_not_listed_and_how_it_counts(tmp_path):
    cut = lists(tmp_path / "s.csv", {("s", 0): ["000", "001"], ("s", 1): ["001"], ("t", 0): list(IDS)})
    rows = read_scores(cut, KNOWN, None, None, 0)
    assert rows.notes == (
        f"{cut}: 7 of 15 candidates are not listed, in 2 of 3 turns of 1 sessions; they count as equal, below all that "
        "are listed; 1 targets of 1 sessions are among them, with the mean of the ranks that are left",
    )
    assert (rows.best.tolist(), rows.worst.tolist()) == ([1, 2, 5], [1, 5, 5])


def test_lists_that_end_early_below_every_target_say_so(tmp_path):
    cut = lists(tmp_path / "s.csv", {("s", 0): ["000", "001"]})
    assert read_scores(cut, KNOWN, None, None, 0).notes[0].endswith("below all that are listed; every target is listed")


def test_whole_lists_and_ranks_say_nothing(tmp_path):
    whole = lists(tmp_path / "s.csv", {("s", 0): list(IDS)})
    np.save(tmp_path / "r.npy", np.array([[1, 2]]))
    assert read_scores(whole, KNOWN, None, None, 0).notes == ()
    assert read_ranks(tmp_path / "r.npy", KNOWN, None, None, 0).notes == ()
