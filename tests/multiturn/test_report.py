import json

import pytest
import torch

from multiturn.evaluation import per_turn, summarise
from multiturn.gallery import Gallery
from multiturn.ranks import Ranks
from multiturn.report.tables import (
    certificate_lines,
    chance,
    comparison_table,
    markdown_table,
    measure_table,
    number,
    paper_table_1,
    per_turn_table,
    protocol_line,
)
from multiturn.results import Candidates, Results, results_of
from multiturn.settings import EvaluationSettings
from multiturn.trial import Outcome, Trial

SIZE, SESSIONS, TURNS = 300, 40, 5
SETTINGS = EvaluationSettings(resamples=20)
HISTORY = [{"epoch": 1.0, "loss": 2.0, "percentile": 0.7}, {"epoch": 2.0, "loss": 1.0, "percentile": 0.8}]


class Silent:
    """Stands where a retriever and a user are asked for: the outcomes here are made up, nobody plays."""

    def start(self, *_: object) -> None:
        return None

    update = score = reply = start


def results(name: str, worst: list[int], tied: int = 0, measured: bool = True) -> Results:
    """Random ranks: at each turn somewhere between 1 and `worst`, with `tied` candidates behind."""
    generator = torch.Generator().manual_seed(len(name))
    draws = torch.rand(SESSIONS, len(worst), generator=generator)
    best = 1 + (draws * (torch.tensor(worst) - tied)).long()
    gallery = Gallery(tuple(f"{i:06d}.jpg" for i in range(SIZE)), torch.zeros(SIZE, 1), "made up", "test split")
    trial = Trial(name, Silent(), gallery, Silent(), torch.arange(SESSIONS), len(worst) - 1)  # pyright: ignore
    shown = torch.zeros(SESSIONS, len(worst), 1, dtype=torch.long)
    measures = {"loss": draws.double()} if measured else {}
    return results_of(Outcome(trial, Ranks(best, best + tied, SIZE), shown, measures), {"masked": [0.5, 0.3]})


def made_up_metrics() -> dict:
    model = results("GRU", [290, 150, 80, 40, 20, 10])
    control = results("GRU without feedback", [290] * 6)
    baseline = results("counting matches", [290, 60], tied=30, measured=False)
    others = [("control", control), ("baseline", baseline)]
    return {
        "task": "celeba-feedback",
        **summarise(model, others, SETTINGS, "drawn faces (not photographs), seed 0"),
        "command": "train.py --task celeba-feedback",
        "created": "2025-01-02T03:04:05+00:00",
        "versions": {"torch": "2.11.0"},
    }


@pytest.fixture(scope="module")
def shared() -> dict:
    return made_up_metrics()


@pytest.fixture
def metrics(shared: dict) -> dict:
    return json.loads(json.dumps(shared))


def test_every_turn_of_the_model_is_a_row_with_its_numbers(metrics):
    header, *body = per_turn_table(metrics)
    at = {name: header.index(name) for name in ("Turn", "Percentile, %", "R@10, %", "Mean rank")}
    for turn, row in zip([metrics["before_feedback"], *metrics["per_turn"]], body, strict=False):
        assert row[at["Turn"]] == str(turn["turn"])
        low, high = turn["interval"]["percentile"]
        assert row[at["Percentile, %"]] == (f"{100 * turn['percentile']:.2f} [{100 * low:.2f}, {100 * high:.2f}]")
        assert row[at["R@10, %"]].startswith(f"{100 * turn['R@10']:.2f} [")
        assert row[at["Mean rank"]].startswith(f"{turn['mean_rank']:.1f} [")


def test_the_control_and_the_baseline_stand_below_the_model(metrics):
    table = per_turn_table(metrics)
    assert [row[0] for row in table[-2:]] == ["GRU without feedback (control)", "counting matches (baseline)"]
    assert len({len(row) for row in table}) == 1


def test_a_measure_that_a_baseline_lacks_is_a_dash(metrics):
    table = per_turn_table(metrics)
    assert table[-1][table[0].index("Loss")] == "–"


def test_the_share_of_harmed_sessions_stands_at_each_turn(metrics):
    column = [row[-1] for row in per_turn_table(metrics)]
    ends = zip(metrics["harm_rate"], metrics["harm_interval"], strict=True)
    shares = [f"{100 * share:.2f} [{100 * low:.2f}, {100 * high:.2f}]" for share, (low, high) in ends]
    assert column == ["Harmed, %", "–", *shares, "–", "–"]


def test_a_harm_rate_of_an_older_version_stands_without_an_interval(metrics):
    older = {name: value for name, value in metrics.items() if name != "harm_interval"}
    shares = [f"{100 * share:.2f}" for share in metrics["harm_rate"]]
    assert [row[-1] for row in per_turn_table(older)] == ["Harmed, %", "–", *shares, "–", "–"]


def test_the_main_table_of_a_page_leaves_the_own_measures_to_their_own_table(metrics):
    main, own = per_turn_table(metrics, measures=False), measure_table(metrics)
    assert own[0] == ["Method", "Turn", "Loss"]
    assert main[0] == [name for name in per_turn_table(metrics)[0] if name != "Loss"]
    assert [row[:2] for row in own] == [row[:2] for row in main]
    assert own[2][2].startswith(number("loss", metrics["per_turn"][0]["loss"]))


def test_the_certificate_of_an_index_is_printed_line_by_line(metrics):
    assert certificate_lines(metrics) == []
    assert certificate_lines(metrics | {"index": {"text": "recall@10 0.98\n2 ms a query\n"}}) == [
        "recall@10 0.98",
        "2 ms a query",
    ]


def test_bounds_are_printed_where_the_rule_for_ties_matters(metrics):
    table = per_turn_table(metrics)
    row = metrics["others"][1]["per_turn"][-1]
    worst, best = (f"{100 * end:.2f}" for end in row["ties"]["percentile"])
    assert table[-1][2].endswith(f"(ties {worst}–{best})")
    assert not any("ties" in text for text in table[1])


@pytest.mark.parametrize(
    "words",
    ["drawn", "300 candidates", "By chance: percentile 50.00 %, R@1 0.33 %", "mean rank 150.5",
     "expected rank", "keep (shown candidates stay in the ranking)", "95 % bootstrap intervals",
     "masked: 0.5, 0.3"],
)  # fmt: skip
def test_the_line_under_the_table_states(metrics, words):
    assert words in protocol_line(metrics)


def test_chance_is_what_random_ranks_reach(metrics):
    ranks = torch.arange(1, SIZE + 1)[:, None]
    names = tuple(str(place) for place in range(SIZE))
    ranks = Ranks(ranks.expand(-1, 2), ranks.expand(-1, 2), SIZE)
    candidates = Candidates(SIZE, "made up")
    row = per_turn(
        Results("any", ranks, names, names, candidates, {}, 0, torch.ones(SIZE, dtype=torch.long)), SETTINGS
    )[0]
    assert chance(metrics) == pytest.approx({name: row[name] for name in chance(metrics)})


def test_the_papers_first_table_gives_the_ends_of_the_tied_block(metrics):
    header, baseline, model = paper_table_1(metrics)
    assert header[1:4] == ["Upper bound, %", "Lower bound, %", "Expectation, %"]
    assert float(baseline[1]) > float(baseline[3].split()[0]) > float(baseline[2])
    assert model[1:3] == ["N/A", "N/A"]
    assert model[3].startswith(number("percentile", metrics["per_turn"][-1]["percentile"]))


@pytest.mark.parametrize(
    "metric, gap, interval, reading",
    [("R@1", 0.02, [0.01, 0.03], "better"), ("R@1", -0.02, [-0.03, -0.01], "worse"),
     ("rank", -4.0, [-5.0, -3.0], "better"), ("R@1", 0.02, [-0.01, 0.05], "no difference shown")],
)  # fmt: skip
def test_a_difference_is_read_by_its_interval(metrics, metric, gap, interval, reading):
    metrics["comparisons"][0] |= {"metric": metric, "difference": gap, "interval": interval}
    assert comparison_table(metrics)[1][-1] == reading


def test_markdown_keeps_its_columns_whatever_a_name_holds():
    line = markdown_table([["Method", "R@1, %"], ["a|b\nc", "1"]]).splitlines()[-1]
    assert line == r"| a\|b c | 1 |"
