"""Claims about results of other systems: every format says the same, and what is wrong is named with its remedy."""

import csv
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch

from multiturn.evaluation import early_warning, over_sessions, per_turn, summarise
from multiturn.rank_rows import Rows, Searched, tabulate
from multiturn.ranks import ranks_of_targets
from multiturn.result_files import read_ranks, read_scores
from multiturn.results import Candidates, Results, aligned, digest_of
from multiturn.run_folder import write_ranks
from multiturn.settings import EvaluationSettings

IDS = ("a", "b", "c", "d", "e")
TARGETS = ["b", "e", "a"]
SIZE = Candidates(5, "five")
KNOWN = Searched(Candidates(5, "five", None, digest_of(IDS)), IDS)
SCORES = torch.randint(0, 4, (3, 2, 5), generator=torch.Generator().manual_seed(1)).float().numpy()
CELLS = [(session, turn) for session in range(3) for turn in range(2)]
SETTINGS = EvaluationSettings(recall_at=[1, 2], page=2, resamples=20)


def true_ranks() -> tuple[np.ndarray, np.ndarray]:
    target = torch.tensor([IDS.index(TARGETS[session]) for session, _ in CELLS])
    ranks = ranks_of_targets(torch.from_numpy(SCORES).flatten(0, 1), target)
    return ranks.best.numpy(), ranks.worst.numpy()


def columns() -> dict[str, list]:
    best, worst = true_ranks()
    names = [f"s{session}" for session, _ in CELLS]
    targets = [TARGETS[session] for session, _ in CELLS]
    turns = [turn for _, turn in CELLS]
    return {"session": names, "turn": turns, "target": targets, "rank": best.tolist(), "rank_worst": worst.tolist()}


def long_columns() -> dict[str, list]:
    rows = [
        (f"s{session}", turn, TARGETS[session], name, float(SCORES[session, turn, place]))
        for session, turn in CELLS
        for place, name in enumerate(IDS)
    ]
    return dict(
        zip(("session", "turn", "target", "candidate", "score"), map(list, zip(*rows, strict=True)), strict=True)
    )


def written(path: Path, table: dict[str, list]) -> Path:
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.table(table), path)
        return path
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    return path


def check(rows: Rows) -> None:
    found = tabulate(rows, "x", KNOWN.candidates, {})
    best, worst = true_ranks()
    assert found.ranks.best.flatten().tolist() == best.tolist()
    assert found.ranks.worst.flatten().tolist() == worst.tolist()
    assert (found.start, found.last, list(found.targets)) == (0, 1, TARGETS)


@pytest.mark.parametrize("name", ["r.csv", "r.parquet"])
def test_a_table_of_ranks_is_read(tmp_path, name):
    check(read_ranks(written(tmp_path / name, columns()), KNOWN, None, None, 0))


@pytest.mark.parametrize("name", ["s.csv", "s.parquet"])
def test_a_long_table_of_scores_gives_ranks_with_the_bounds_of_ties(tmp_path, name):
    check(read_scores(written(tmp_path / name, long_columns()), KNOWN, None, None, 0))


def test_lists_of_scores_in_parquet_give_the_same_ranks(tmp_path):
    table = {**columns(), "scores": SCORES.reshape(-1, 5).tolist()}
    check(read_scores(written(tmp_path / "s.parquet", table), KNOWN, None, None, 0))


@pytest.mark.parametrize("kind", ["float16", "float32", "int64"])
def test_an_array_of_scores_gives_the_same_ranks(tmp_path, kind):
    np.save(tmp_path / "s.npy", SCORES.astype(kind))
    (tmp_path / "t.txt").write_text("\n".join(TARGETS))
    check(read_scores(tmp_path / "s.npy", KNOWN, None, tmp_path / "t.txt", 0))


def test_an_array_of_ranks_is_read_with_both_ends_of_ties(tmp_path):
    np.save(tmp_path / "r.npy", np.stack(true_ranks(), -1).reshape(3, 2, 2))
    (tmp_path / "t.txt").write_text("\n".join(TARGETS))
    check(read_ranks(tmp_path / "r.npy", KNOWN, None, tmp_path / "t.txt", 0))


def test_positions_name_candidates_where_only_their_number_is_known(tmp_path):
    np.save(tmp_path / "s.npy", SCORES)
    (tmp_path / "t.txt").write_text("\n".join(str(IDS.index(target)) for target in TARGETS))
    rows = read_scores(tmp_path / "s.npy", Searched(SIZE), None, tmp_path / "t.txt", 0)
    assert rows.best.tolist() == true_ranks()[0].tolist()


def test_the_order_of_rows_and_of_the_gallery_changes_nothing(tmp_path):
    table = long_columns()
    order = np.random.default_rng(0).permutation(len(table["turn"]))
    shuffled = {name: [column[place] for place in order] for name, column in table.items()}
    other = Searched(KNOWN.candidates, IDS[::-1])
    check(read_scores(written(tmp_path / "s.parquet", shuffled), other, None, None, 0))


def test_what_is_written_is_read_again(tmp_path):
    one = tabulate(
        Rows("x", ["7", "7", "8"], [0, 1, 0], ["a", "a", "b"], np.array([1, 2, 3]), np.array([1, 2, 4])), "x", SIZE, {}
    )
    write_ranks(one, tmp_path / "ranks.parquet")
    other = tabulate(read_ranks(tmp_path / "ranks.parquet", KNOWN, None, None, 0), "x", SIZE, {})
    assert torch.equal(one.ranks.worst, other.ranks.worst)
    assert torch.equal(one.played, other.played)


def table_of(rows: list[tuple[str, int, str, float]], **more) -> Results:
    sessions, turns, targets, ranks = zip(*rows, strict=True)
    return tabulate(Rows("file", sessions, turns, targets, np.array(ranks), np.array(ranks)), "x", SIZE, {}, **more)


SHORT = [("s", 0, "a", 4), ("s", 1, "a", 2), ("t", 0, "b", 5), ("t", 1, "b", 3), ("t", 2, "b", 1)]


def test_a_session_that_ended_early_carries_its_rank_and_is_counted():
    found = table_of(SHORT)
    assert found.ranks.best.tolist() == [[4, 2, 2], [5, 3, 1]]
    assert found.protocol["ended"] == "carry"
    assert early_warning(found) == ["x: 1 of 2 sessions ended early; their last rank is carried on"]
    assert [row.get("ended_early", 0) for row in per_turn(found, SETTINGS)] == [0, 0, 1]


def test_a_session_that_ended_early_can_count_as_missed():
    assert table_of(SHORT, ended="missed").ranks.best.tolist() == [[4, 2, 5], [5, 3, 1]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("s", 0, "a", 1), ("s", 1, "a", 0)], r"file: session 's', turn 1 has rank 0; ranks count from 1; add 1"),
        ([("s", 1, "a", 6)], r"turn 1 has rank 6; there are 5 candidates; give the right number"),
        ([("s", 1, "a", float("nan"))], r"has rank nan; leave out the rows"),
        ([("s", 1, "a", float("inf"))], r"has rank inf"),
        ([("s", 1, "a", 2.5)], r"has rank 2\.5; give both ends of a block of ties"),
        ([("s", 1, "a", 2), ("s", 1, "a", 2)], r"session 's', turn 1 appears twice; keep one row"),
        ([("s", 1, "a", 2), ("s", 2, "b", 2)], r"turn 2 looks for 'b', its other turns for 'a'"),
        ([("s", 1, "a", 2), ("s", 3, "a", 2)], r"session 's' lacks turn 2 but has turn 3"),
        ([("s", 0, "a", 2), ("s", 1, "a", 2), ("t", 1, "b", 2)], r"session 't' lacks turn 0 but has turn 1"),
        ([("s", -1, "a", 2)], r"turn -1 is below 0"),
        ([("s", 0, "a", 2)], r"there is turn 0 alone; number turns from 1"),
        ([("s", 2, "a", 2)], r"the first turn is 2; number turns from 1"),
    ],
)
def test_rows_that_cannot_be_are_refused_with_their_value_and_the_remedy(rows, message):
    with pytest.raises(ValueError, match=message):
        table_of(rows)


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="file holds no session"):
        tabulate(Rows("file", [], [], [], np.zeros(0), np.zeros(0)), "x", SIZE, {})


def test_the_worse_end_of_a_tie_is_not_before_the_better_one():
    with pytest.raises(ValueError, match=r"rank 3 and rank_worst 2; rank is the better end"):
        tabulate(Rows("file", ["s"], [1], ["a"], np.array([3]), np.array([2])), "x", SIZE, {})


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_refused_and_located(tmp_path, bad):
    scores = SCORES.copy()
    scores[1, 1, 3] = bad
    np.save(tmp_path / "s.npy", scores)
    (tmp_path / "t.txt").write_text("\n".join(TARGETS))
    with pytest.raises(ValueError, match=rf"session '1', turn 1: the score of candidate 3 is {bad}"):
        read_scores(tmp_path / "s.npy", KNOWN, None, tmp_path / "t.txt", 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_listed_score_that_is_not_finite_is_refused(tmp_path, bad):
    table = long_columns()
    table["score"][7] = bad
    with pytest.raises(ValueError, match=rf"session 's0', turn 1: the score of 'c' is {bad}"):
        read_scores(written(tmp_path / "s.parquet", table), KNOWN, None, None, 0)


@pytest.mark.parametrize("read", [read_ranks, read_scores])
def test_a_target_that_is_not_in_the_gallery_is_refused(tmp_path, read):
    table = {**columns(), **({} if read is read_ranks else {"scores": SCORES.reshape(-1, 5).tolist()})}
    table["target"] = ["b", "b", "zebra", "zebra", "a", "a"]
    with pytest.raises(ValueError, match=r"target: 'zebra' is not in the gallery of 5 \(five\).*give the gallery"):
        read(written(tmp_path / "r.parquet", table), KNOWN, None, None, 0)


def test_an_unknown_candidate_in_a_table_of_scores_is_refused(tmp_path):
    table = long_columns()
    table["candidate"][3] = "zebra"
    with pytest.raises(ValueError, match="candidate: 'zebra' is not in the gallery"):
        read_scores(written(tmp_path / "s.csv", table), KNOWN, None, None, 0)


def test_a_missing_column_is_named_beside_those_there(tmp_path):
    table = columns()
    del table["target"]
    with pytest.raises(ValueError, match=r"no column 'target', only session, turn, rank"):
        read_ranks(written(tmp_path / "r.csv", table), KNOWN, None, None, 0)


def test_lists_of_another_length_than_the_gallery_are_refused(tmp_path):
    table = {**columns(), "scores": SCORES.reshape(-1, 5)[:, :4].tolist()}
    with pytest.raises(ValueError, match=r"lists of \[4\] scores for 5 candidates"):
        read_scores(written(tmp_path / "s.parquet", table), KNOWN, None, None, 0)


def test_an_array_of_scores_needs_targets(tmp_path):
    np.save(tmp_path / "s.npy", SCORES)
    with pytest.raises(ValueError, match="give --targets FILE"):
        read_scores(tmp_path / "s.npy", KNOWN, None, None, 0)


def test_the_number_of_candidates_must_be_known():
    with pytest.raises(ValueError, match="give --gallery FILE or --gallery_size N"):
        Searched.of(None, None)


def test_a_gallery_of_ids_that_contradicts_its_number_is_refused(tmp_path):
    (tmp_path / "ids.txt").write_text("a\nb\nc\n")
    with pytest.raises(ValueError, match="holds 3 candidates, not 4"):
        Searched.of(tmp_path / "ids.txt", 4)
    assert Searched.of(tmp_path / "ids.txt", None).ids == ("a", "b", "c")


def test_results_with_other_targets_are_not_aligned_and_the_difference_is_named():
    one, other = table_of([("s", 1, "a", 2), ("t", 1, "b", 2)]), table_of([("s", 1, "a", 2), ("t", 1, "c", 2)])
    with pytest.raises(
        ValueError, match=r"1 of 2 targets of x are not in x, and 1 of 2 the other .*, such as 'b' in x"
    ):
        aligned(one, other)


def test_results_are_aligned_by_target_whatever_sessions_are_called():
    one, other = table_of([("s", 1, "a", 2), ("t", 1, "b", 2)]), table_of([("1", 1, "b", 2), ("2", 1, "a", 2)])
    assert aligned(one, other) == [1, 0]


def test_repeated_targets_are_aligned_by_session():
    one, other = table_of([("s", 1, "a", 2), ("t", 1, "a", 3)]), table_of([("t", 1, "a", 3), ("s", 1, "a", 2)])
    assert aligned(one, other) == [0, 1]


def test_the_digest_of_a_gallery_depends_on_its_ids_and_not_on_their_order():
    assert digest_of(["a", "b"]) == digest_of(["b", "a"]) != digest_of(["ab"])


def test_the_summary_counts_who_never_found_the_target():
    found = over_sessions(table_of(SHORT), EvaluationSettings(recall_at=[1], page=1, resamples=20))["rounds@1"]
    assert (found["value"], found["found"], found["never"]) == (2, [1, 1, 1], [1, 1, 1])
    assert found["mean_over_found"] == 2


def test_a_summary_in_which_nobody_found_anything_has_no_mean_over_them():
    nobody = table_of([("s", 1, "a", 4), ("t", 1, "b", 5), ("s", 2, "a", 4), ("t", 2, "b", 5)])
    assert over_sessions(nobody, SETTINGS)["rounds@2"]["mean_over_found"] is None


def test_a_control_gives_the_harm_rate_and_a_comparison_of_the_primary_metric_and_recall():
    model = table_of([("s", 0, "a", 4), ("s", 1, "a", 5), ("t", 0, "b", 4), ("t", 1, "b", 1)])
    control = table_of([("s", 0, "a", 4), ("s", 1, "a", 4), ("t", 0, "b", 4), ("t", 1, "b", 4)])
    metrics = summarise(model, [("control", control)], SETTINGS, "letters", "reciprocal_rank")
    assert metrics["harm_rate"] == [0.5]
    assert [one["metric"] for one in metrics["comparisons"]] == ["reciprocal_rank", "R@1", "R@2"]


def test_mean_and_median_rank_have_the_bounds_of_ties():
    rows = Rows("file", ["s", "s"], [0, 1], ["a", "a"], np.array([1, 2]), np.array([5, 2]))
    first, second = per_turn(tabulate(rows, "x", SIZE, {}), SETTINGS)
    assert first["ties"]["mean_rank"] == first["ties"]["median_rank"] == [5, 1]
    assert second["ties"] == {}


def test_hits_that_could_never_count_are_refused():
    with pytest.raises(ValueError, match="hits_from is 3, but x ends with turn 2; lower it"):
        summarise(table_of(SHORT), [], EvaluationSettings(hits_from=3), "letters")


def test_results_without_turn_0_say_nothing_of_it():
    metrics = summarise(table_of([("s", 1, "a", 2), ("s", 2, "a", 1)]), [], SETTINGS, "letters")
    assert metrics["before_feedback"] is None
    assert [row["turn"] for row in metrics["per_turn"]] == [1, 2]
