"""Reads the results of any system from files of ranks or scores; how each format is opened is in result_tables.py."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from multiturn.rank_rows import Rows, Searched
from multiturn.ranks import ranks_of_targets
from multiturn.result_tables import (
    ARRAY,
    TABLES,
    check_numbers,
    check_run,
    check_there,
    column,
    read_array,
    read_columns,
)
from multiturn.trec import Lists, read_trec

BLOCK = 50_000_000  # scores in memory at once


def read_ranks(path: Path, searched: Searched, qrels: Path | None, targets: Path | None, start: int) -> Rows:
    """Read ranks: columns session, turn, target, rank and perhaps rank_worst; an array; or a run's rank column.

    Args:
        path: .parquet, .csv, .tsv or .jsonl; .npy of ranks, sessions by turns, perhaps by (rank, rank_worst); or a TREC
            run: .trec, .run, .txt or no suffix. A target that a run does not list stands anywhere below its last line.
        qrels: of a TREC run.
        targets: of an .npy: one id a line; sessions are their own targets if not given.
        start: number of the turn in the first column of an .npy.
    Raises:
        ValueError: a file that cannot be read, a column that is missing, or ids that are not in the gallery.
        FileNotFoundError: there is no such file.
    """
    if path.suffix in TABLES:
        columns = read_columns(path)
        best = column(columns, "rank", path)
        worst = columns.get("rank_worst", best)
        return _checked(_rows(columns, path, best, worst), searched)
    if path.suffix == ARRAY:
        table = read_array(path, (2, 3))
        if table.ndim == 3 and table.shape[2] != 2:
            raise ValueError(f"{path} has the shape {table.shape}; the third axis of ranks is (rank, rank_worst)")
        ends = (table, table) if table.ndim == 2 else (table[..., 0], table[..., 1])
        names = [str(place) for place in range(len(table))] if targets is None else _targets(targets, len(table))
        rows = _grid(path, names, table.shape[1], start, *(end.reshape(-1) for end in ends))
        return rows if targets is None else _checked(rows, searched)
    return _of_lists(_run(path, qrels), searched, by_score=False)


def read_scores(path: Path, searched: Searched, qrels: Path | None, targets: Path | None, start: int) -> Rows:
    """Read scores, higher is better, and rank the targets among them, with the bounds of ties.

    Args:
        path: a table with columns session, turn, target, candidate, score, or, in .parquet and .jsonl, with session,
            turn, target and lists `scores` in the order of the gallery; .npy, sessions by turns by candidates; or a
            TREC run. A target that is not listed stands anywhere below what is.
        qrels: of a TREC run.
        targets: of an .npy: one id or position a line.
        start: number of the turn in the first column of an .npy.
    Raises:
        ValueError: a score is NaN or infinite, a candidate is listed twice, a column is missing, or ids that are not
            in the gallery; a file that cannot be read.
        FileNotFoundError: there is no such file.
    """
    if path.suffix in TABLES:
        columns = read_columns(path)
        if "scores" in columns:
            rows = _rows(columns, path, np.zeros(0), np.zeros(0))
            lengths = {len(row) for row in columns["scores"]}
            if lengths != {searched.candidates.size}:
                raise ValueError(
                    f"{path} has lists of {sorted(lengths)} scores for {searched.candidates.size} candidates"
                )
            return _of_scores(rows, np.stack(list(columns["scores"])), searched)
        return _of_lists(_lists(columns, path), searched, by_score=True)
    if path.suffix == ARRAY:
        table = read_array(path, (3,))
        if table.shape[2] != searched.candidates.size:
            raise ValueError(f"{path} has scores of {table.shape[2]} candidates, not of {searched.candidates.size}")
        if targets is None:
            raise ValueError(f"{path} does not say who is looked for; give --targets FILE, one id or position a line")
        rows = _grid(path, _targets(targets, len(table)), table.shape[1], start, np.zeros(0), np.zeros(0))
        return _of_scores(rows, table.reshape(-1, table.shape[2]), searched)
    return _of_lists(_run(path, qrels), searched, by_score=True)


def _keys(columns: Mapping[str, np.ndarray], path: Path) -> tuple[list[str], list[int], list[str]]:
    sessions, turns, targets = (column(columns, name, path) for name in ("session", "turn", "target"))
    check_numbers(turns, "turn", path)
    if not np.issubdtype(turns.dtype, np.integer):
        raise ValueError(f"{path}: turns are whole numbers from 0, and column 'turn' holds such as {turns[0]!s}")
    return [str(one) for one in sessions.tolist()], turns.tolist(), [str(one) for one in targets.tolist()]


def _rows(columns: Mapping[str, np.ndarray], path: Path, best: np.ndarray, worst: np.ndarray) -> Rows:
    for name, end in (("rank", best), ("rank_worst", worst)):
        check_numbers(end, name, path)
    return Rows(str(path), *_keys(columns, path), best, worst)


def _lists(columns: Mapping[str, np.ndarray], path: Path) -> Lists:
    sessions, turns, targets = _keys(columns, path)
    queries = list(zip(sessions, turns, strict=True))
    looked_for: dict[tuple[str, int], str] = {}
    for query, target in zip(queries, targets, strict=True):
        if looked_for.setdefault(query, target) != target:
            raise ValueError(f"{path}: session {query[0]!r} looks for {looked_for[query]!r} and {target!r} in one turn")
    scores = column(columns, "score", path)
    check_numbers(scores, "score", path)
    names = [str(one) for one in column(columns, "candidate", path).tolist()]
    return Lists(str(path), looked_for, queries, names, [], scores.astype(np.float64).tolist())


def _targets(path: Path, sessions: int) -> list[str]:
    names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    if len(names) != sessions:
        raise ValueError(f"{path} names {len(names)} targets for {sessions} sessions; one a line, in their order")
    return names


def _grid(path: Path, targets: list[str], turns: int, start: int, best: np.ndarray, worst: np.ndarray) -> Rows:
    cells = [(session, turn) for session in range(len(targets)) for turn in range(turns)]
    return Rows(
        str(path),
        [str(session) for session, _ in cells],
        [start + turn for _, turn in cells],
        [targets[session] for session, _ in cells],
        best,
        worst,
    )


def _run(path: Path, qrels: Path | None) -> Lists:
    check_run(path)
    if qrels is None:
        raise ValueError(f"{path} is read as a TREC run, which does not say who is looked for; give --qrels FILE")
    for file in (path, qrels):
        check_there(file)
    try:
        return read_trec(path, qrels)
    except UnicodeDecodeError as reason:
        raise ValueError(f"{path} or {qrels} is no text: {reason}") from reason


def _checked(rows: Rows, searched: Searched) -> Rows:
    searched.check(rows.targets, f"{rows.source}: target")
    return rows


def _of_scores(rows: Rows, scores: np.ndarray, searched: Searched) -> Rows:
    """Ranks from whole rows of scores, some rows at a time."""
    places = {name: searched.place(name, f"{rows.source}: target") for name in set(rows.targets)}
    target = np.array([places[name] for name in rows.targets])
    step = max(1, BLOCK // scores.shape[1])
    best, worst = [], []
    for begin in range(0, len(scores), step):
        block = np.array(scores[begin : begin + step], dtype=np.promote_types(scores.dtype, np.float32))
        if not np.isfinite(block).all():
            row, place = (int(index[0]) for index in np.nonzero(~np.isfinite(block)))
            raise ValueError(
                f"{rows.where(begin + row)}: the score of candidate {place} is {block[row, place]}; a model that "
                "diverged cannot be ranked"
            )
        ranks = ranks_of_targets(torch.from_numpy(block), torch.from_numpy(target[begin : begin + step]))
        best.append(ranks.best.numpy())
        worst.append(ranks.worst.numpy())
    return Rows(rows.source, rows.sessions, rows.turns, rows.targets, np.concatenate(best), np.concatenate(worst))


def _of_lists(lists: Lists, searched: Searched, by_score: bool) -> Rows:
    """Ranks from listed candidates; what is not listed stands below, in no order that is known."""
    searched.check(lists.candidates, f"{lists.source}: candidate")
    searched.check(list(lists.targets.values()), f"{lists.source}: target")
    found: dict[tuple[str, int], dict[str, float]] = {}
    keys = lists.scores if by_score else lists.ranks
    for query, candidate, key in zip(lists.queries, lists.candidates, keys, strict=True):
        one = found.setdefault(query, {})
        where = f"{lists.source}: session {query[0]!r}, turn {query[1]}"
        if candidate in one:
            raise ValueError(f"{where} lists {candidate!r} twice; keep one line")
        if not np.isfinite(key):
            raise ValueError(f"{where}: the score of {candidate!r} is {key}; a model that diverged cannot be ranked")
        one[candidate] = float(key)
    for query in lists.targets:
        if query not in found:
            raise ValueError(
                f"{lists.source} has no line for session {query[0]!r}, turn {query[1]}, whose target is given; leave "
                "it out of the qrels if the session had ended, or list what was found"
            )
    size = searched.candidates.size
    ends = [_ends(one, lists.targets[query], size, by_score) for query, one in found.items()]
    return Rows(
        lists.source,
        [session for session, _ in found],
        [turn for _, turn in found],
        [lists.targets[query] for query in found],
        np.array([best for best, _ in ends]),
        np.array([worst for _, worst in ends]),
        _unlisted(lists, found, size),
    )


def _unlisted(lists: Lists, found: Mapping[tuple[str, int], Mapping[str, float]], size: int) -> tuple[str, ...]:
    """A sentence if lists end before the gallery does: how many candidates are not in them, and how these count."""
    short = [query for query, one in found.items() if len(one) < size]
    if not short:
        return ()
    missing = sum(size - len(found[query]) for query in short)
    lost = [query for query in short if lists.targets[query] not in found[query]]
    of_sessions = len({session for session, _ in lost})
    counted = (
        f"{len(lost):,} targets of {of_sessions:,} sessions are among them, with the mean of the ranks that are left"
        if lost
        else "every target is listed"
    )
    return (
        f"{lists.source}: {missing:,} of {size * len(found):,} candidates are not listed, in {len(short):,} of "
        f"{len(found):,} turns of {len({session for session, _ in short}):,} sessions; they count as equal, below all "
        f"that are listed; {counted}",
    )


def _ends(listed: Mapping[str, float], target: str, size: int, by_score: bool) -> tuple[float, float]:
    if target not in listed:
        return float(len(listed) + 1), float(size)
    if not by_score:
        return listed[target], listed[target]
    values = np.fromiter(listed.values(), np.float64)
    return float(1 + (values > listed[target]).sum()), float((values >= listed[target]).sum())
