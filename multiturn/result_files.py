"""Reads the results of any system from files: ranks or scores in parquet, csv, npy or TREC runs."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from multiturn.rank_rows import Rows, Searched
from multiturn.ranks import ranks_of_targets
from multiturn.trec import Lists, read_trec

TABLES = (".parquet", ".csv")
BLOCK = 50_000_000  # scores in memory at once


def read_ranks(path: Path, searched: Searched, qrels: Path | None, targets: Path | None, start: int) -> Rows:
    """Read ranks: columns session, turn, target, rank and perhaps rank_worst; an array; or a run's rank column.

    Args:
        path: .parquet or .csv; .npy of ranks, sessions by turns, perhaps by (rank, rank_worst); or a TREC run. A target
            that a run does not list stands anywhere below its last line.
        qrels: of a TREC run.
        targets: of an .npy: one id a line; sessions are their own targets if not given.
        start: number of the turn in the first column of an .npy.
    Raises:
        ValueError: a column that is missing, or ids that are not in the gallery.
    """
    if path.suffix in TABLES:
        columns = _columns(path)
        best = _column(columns, "rank", path)
        worst = columns.get("rank_worst", best)
        return _checked(_rows(columns, path, best, worst), searched)
    if path.suffix == ".npy":
        table = _array(path, (2, 3))
        if table.ndim == 3 and table.shape[2] != 2:
            raise ValueError(f"{path} has the shape {table.shape}; the third axis of ranks is (rank, rank_worst)")
        ends = (table, table) if table.ndim == 2 else (table[..., 0], table[..., 1])
        names = [str(place) for place in range(len(table))] if targets is None else _targets(targets, len(table))
        rows = _grid(path, names, table.shape[1], start, *(end.reshape(-1) for end in ends))
        return rows if targets is None else _checked(rows, searched)
    return _of_lists(read_trec(path, _needed(qrels, path)), searched, by_score=False)


def read_scores(path: Path, searched: Searched, qrels: Path | None, targets: Path | None, start: int) -> Rows:
    """Read scores, higher is better, and rank the targets among them, with the bounds of ties.

    Args:
        path: .parquet or .csv with columns session, turn, target, candidate, score; .parquet with session, turn,
            target and lists `scores` in the order of the gallery; .npy, sessions by turns by candidates; or a TREC run.
            A target that is not listed stands anywhere below what is.
        qrels: of a TREC run.
        targets: of an .npy: one id or position a line.
        start: number of the turn in the first column of an .npy.
    Raises:
        ValueError: a score is NaN or infinite, a candidate is listed twice, a column is missing, or ids that are not
            in the gallery.
    """
    if path.suffix in TABLES:
        columns = _columns(path)
        if "scores" in columns:
            rows = _rows(columns, path, np.zeros(0), np.zeros(0))
            lengths = {len(row) for row in columns["scores"]}
            if lengths != {searched.candidates.size}:
                raise ValueError(
                    f"{path} has lists of {sorted(lengths)} scores for {searched.candidates.size} candidates"
                )
            return _of_scores(rows, np.stack(list(columns["scores"])), searched)
        return _of_lists(_lists(columns, path), searched, by_score=True)
    if path.suffix == ".npy":
        table = _array(path, (3,))
        if table.shape[2] != searched.candidates.size:
            raise ValueError(f"{path} has scores of {table.shape[2]} candidates, not of {searched.candidates.size}")
        if targets is None:
            raise ValueError(f"{path} does not say who is looked for; give --targets FILE, one id or position a line")
        rows = _grid(path, _targets(targets, len(table)), table.shape[1], start, np.zeros(0), np.zeros(0))
        return _of_scores(rows, table.reshape(-1, table.shape[2]), searched)
    return _of_lists(read_trec(path, _needed(qrels, path)), searched, by_score=True)


def _columns(path: Path) -> dict[str, np.ndarray]:
    if path.suffix == ".parquet":
        from pyarrow.parquet import read_table as read
    else:
        from pyarrow.csv import read_csv as read
    table = read(path)
    return {name: table.column(name).to_numpy() for name in table.column_names}


def _column(columns: Mapping[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    if name not in columns:
        raise ValueError(f"{path} has no column {name!r}, only {', '.join(columns)}; name its columns so")
    return columns[name]


def _keys(columns: Mapping[str, np.ndarray], path: Path) -> tuple[list[str], list[int], list[str]]:
    sessions, turns, targets = (_column(columns, name, path) for name in ("session", "turn", "target"))
    if not np.issubdtype(turns.dtype, np.integer):
        raise ValueError(f"{path}: turns are whole numbers, and the column holds {turns.dtype}")
    return [str(one) for one in sessions.tolist()], turns.tolist(), [str(one) for one in targets.tolist()]


def _rows(columns: Mapping[str, np.ndarray], path: Path, best: np.ndarray, worst: np.ndarray) -> Rows:
    for end in (best, worst):
        if not np.issubdtype(end.dtype, np.number):
            raise ValueError(f"{path}: ranks are numbers, and the column holds {end.dtype}")
    return Rows(str(path), *_keys(columns, path), best, worst)


def _lists(columns: Mapping[str, np.ndarray], path: Path) -> Lists:
    sessions, turns, targets = _keys(columns, path)
    queries = list(zip(sessions, turns, strict=True))
    looked_for: dict[tuple[str, int], str] = {}
    for query, target in zip(queries, targets, strict=True):
        if looked_for.setdefault(query, target) != target:
            raise ValueError(f"{path}: session {query[0]!r} looks for {looked_for[query]!r} and {target!r} in one turn")
    scores = _column(columns, "score", path)
    if not np.issubdtype(scores.dtype, np.number):
        raise ValueError(f"{path}: scores are numbers, and the column holds {scores.dtype}")
    names = [str(one) for one in _column(columns, "candidate", path).tolist()]
    return Lists(str(path), looked_for, queries, names, [], scores.tolist())


def _array(path: Path, dimensions: tuple[int, ...]) -> np.ndarray:
    table = np.load(path, mmap_mode="r", allow_pickle=False)
    if table.ndim not in dimensions or not np.issubdtype(table.dtype, np.number):
        wanted = " or ".join(str(one) for one in dimensions)
        raise ValueError(f"{path} holds {table.dtype} of shape {table.shape}, not numbers of {wanted} dimensions")
    return table


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


def _needed(qrels: Path | None, run: Path) -> Path:
    if qrels is None:
        raise ValueError(f"{run} is read as a TREC run, which does not say who is looked for; give --qrels FILE")
    return qrels


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
    ends = [_ends(one, lists.targets[query], searched.candidates.size, by_score) for query, one in found.items()]
    return Rows(
        lists.source,
        [session for session, _ in found],
        [turn for _, turn in found],
        [lists.targets[query] for query in found],
        np.array([best for best, _ in ends]),
        np.array([worst for _, worst in ends]),
    )


def _ends(listed: Mapping[str, float], target: str, size: int, by_score: bool) -> tuple[float, float]:
    if target not in listed:
        return float(len(listed) + 1), float(size)
    if not by_score:
        return listed[target], listed[target]
    values = np.fromiter(listed.values(), np.float64)
    return float(1 + (values > listed[target]).sum()), float((values >= listed[target]).sum())
