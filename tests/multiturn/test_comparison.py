"""Claims about comparisons: the same experiment or a refusal that names the difference, and tables that say it all."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from multiturn.comparison import check_comparable, compare
from multiturn.rank_rows import Rows, tabulate
from multiturn.report.comparison import comparison_line, latex_table, paired_table, write_comparison
from multiturn.results import Candidates, Results
from multiturn.settings import EvaluationSettings

SETTINGS = EvaluationSettings(recall_at=[1, 10], resamples=50)
GALLERY = Candidates(100, "hundred", "encoder 1", "digest 1")
PROTOCOL = {"page_size": 1, "seen": "keep", "masked": [0.5, 0.3]}


def results(name: str, worst: int, sessions: int = 40, turns: int = 4) -> Results:
    """Random ranks up to `worst` after turn 0."""
    ranks = np.random.default_rng(len(name)).integers(1, worst + 1, sessions * turns)
    cells = [(session, turn) for session in range(sessions) for turn in range(turns)]
    rows = Rows(
        name, [f"s{s}" for s, _ in cells], [t for _, t in cells], [f"image {s}" for s, _ in cells], ranks, ranks
    )
    return tabulate(rows, name, GALLERY, PROTOCOL)


GOOD, BAD, SAME = results("good", 15), results("poor one", 100), results("another good", 15)


def test_a_clear_winner_is_named_and_equal_systems_are_not_told_apart():
    tests = compare([BAD, GOOD], ["R@10", "BRI"], SETTINGS)["tests"]
    assert [test["reading"] for test in tests] == ["better", "better"]
    tests = compare([GOOD, SAME], ["R@10", "BRI"], SETTINGS)["tests"]
    assert [test["reading"] for test in tests] == ["no difference shown"] * 2


def test_all_are_compared_with_the_first_or_each_with_each():
    runs = [GOOD, BAD, SAME]
    pairs = [
        [test["over"] for test in compare(runs, ["R@10"], SETTINGS, all_pairs=every)["tests"]]
        for every in (False, True)
    ]
    assert pairs == [["good", "good"], ["good", "good", "poor one"]]


def test_p_values_are_corrected_for_all_tests_of_the_table():
    runs = [GOOD, SAME]
    alone = compare(runs, ["R@10"], SETTINGS)["tests"][0]
    among = compare(runs, ["R@10", "R@10", "R@10"], SETTINGS)["tests"][0]
    assert alone["p_t_holm"] == alone["p_t"] == among["p_t"]
    assert among["p_t_holm"] == pytest.approx(min(1, 3 * alone["p_t"]))


def test_pairs_are_made_by_target_whatever_the_order_of_sessions():
    order = np.random.default_rng(0).permutation(40).tolist()
    ranks = type(BAD.ranks)(BAD.ranks.best[order], BAD.ranks.worst[order], 100)
    mixed = replace(
        BAD,
        ranks=ranks,
        sessions=tuple(str(place) for place in range(40)),
        targets=tuple(BAD.targets[place] for place in order),
    )
    one, other = (compare([GOOD, each], ["percentile"], SETTINGS)["tests"][0] for each in (BAD, mixed))
    assert one["p_t"] == pytest.approx(other["p_t"])
    assert one["higher"] == other["higher"]


def test_the_turn_can_be_chosen():
    test = compare([GOOD, BAD], ["R@10"], SETTINGS, turn=0)["tests"][0]
    assert test["turn"] == 0
    assert test["over_value"] == pytest.approx((GOOD.ranks.best[:, 0] <= 10).double().mean().item())


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (replace(BAD, protocol={**BAD.protocol, "seen": "drop_from_rank"}), "seen is 'keep' in the one and 'drop"),
        (replace(BAD, protocol={**BAD.protocol, "page_size": 5}), "page_size is 1 in the one and 5"),
        (replace(BAD, protocol={**BAD.protocol, "masked": [0.1]}), r"masked is \[0.5, 0.3\] in the one and \[0.1\]"),
        (replace(BAD, candidates=replace(GALLERY, fingerprint="encoder 2")), "fingerprint is 'encoder 1'.* --allow 'f"),
        (replace(BAD, candidates=replace(GALLERY, digest="digest 2")), "their candidates have other ids"),
        (replace(BAD, targets=("zebra", *BAD.targets[1:])), "1 of 40 targets of good are not in poor one, and 1 of 40"),
        (results("poor one", 100, turns=3), "turns is 3 in the one and 2 in the other"),
        (results("poor one", 100, sessions=39), "and 0 of 39 the other way round, such as 'image 39' in good only"),
        (replace(BAD, name="good"), "two results are called 'good'"),
    ],
)  # fmt: skip
def test_what_is_not_the_same_experiment_is_refused_and_the_difference_named(other, message):
    with pytest.raises(ValueError, match=message):
        compare([GOOD, other], ["R@10"], SETTINGS)


def test_galleries_of_other_sizes_are_refused():
    ranks = type(BAD.ranks)(BAD.ranks.best, BAD.ranks.worst, 200)
    with pytest.raises(ValueError, match="they searched 100 and 200 candidates"):
        check_comparable([GOOD, replace(BAD, ranks=ranks, candidates=replace(GALLERY, size=200))])


def test_an_allowed_difference_is_printed():
    other = replace(BAD, candidates=replace(GALLERY, fingerprint="encoder 2"))
    found = compare([GOOD, other], ["R@10"], SETTINGS, allowed=["fingerprint"])
    assert "encoder differs: encoder 1 in good, encoder 2 in poor one" in comparison_line(found)


def test_what_differs_is_not_told_as_if_it_held_for_all():
    other = replace(BAD, protocol={**BAD.protocol, "seen": "drop_from_rank"})
    found = compare([GOOD, SAME, other], ["R@10"], SETTINGS, allowed=["seen"])
    line = comparison_line(found)
    assert "seen differs: keep in good, drop_from_rank in poor one" in line
    assert "Seen:" not in line and "seen" not in found["protocol"]
    assert "Seen: keep." in comparison_line(compare([GOOD, SAME], ["R@10"], SETTINGS))


def test_a_refusal_names_all_that_differs_and_every_word_to_allow():
    other = replace(BAD, protocol={**BAD.protocol, "seen": "drop_from_rank", "page_size": 5, "masked": [0.1]})
    words = r"page_size is 1 .* and 5 in the other; seen is 'keep' .*--allow 'masked,page_size,seen'$"
    with pytest.raises(ValueError, match=words):
        check_comparable([GOOD, other], ["masked"])


def test_what_only_one_run_states_is_printed():
    silent = replace(BAD, candidates=Candidates(100, "hundred"))
    assert check_comparable([GOOD, silent]) == ["poor one does not state its encoder; elsewhere it is encoder 1"]


def test_whole_sessions_of_different_lengths_are_not_compared():
    short = results("poor one", 100, turns=3)
    with pytest.raises(ValueError, match="BRI would compare sessions of different lengths"):
        compare([GOOD, short], ["BRI"], SETTINGS, allowed=["turns"])
    assert compare([GOOD, short], ["R@10"], SETTINGS, allowed=["turns"])["tests"][0]["turn"] == 2


@pytest.mark.parametrize(
    ("metric", "turn", "message"),
    [
        ("R@10", 9, "at turns 0 to 3, not at turn 9"),
        ("Hits@10", 0, "at turns 1 to 3, not at turn 0"),
        ("R@x", 1, "unknown"),
    ],
)
def test_a_turn_or_metric_that_is_not_there_is_refused(metric, turn, message):
    with pytest.raises(ValueError, match=message):
        compare([GOOD, BAD], [metric], SETTINGS, turn)


def test_one_run_is_no_comparison():
    with pytest.raises(ValueError, match="needs two results or more, not 1"):
        compare([GOOD], ["R@10"], SETTINGS)


def test_lower_is_better_where_it_is():
    table = paired_table(compare([BAD, GOOD], ["mean_rank"], SETTINGS))
    assert table[1][6].startswith("-") and table[1][-1] == "better"


def test_latex_prints_whatever_a_name_holds():
    text = latex_table([["A_b", "R@1, %"], ["50 & ~{x}\\", "1–2"]])
    assert r"A\_b & R@1, \% \\" in text
    assert r"50 \& \textasciitilde{}\{x\}\textbackslash{} & 1--2 \\" in text


def test_where_ties_matter_or_sessions_ended_early_the_page_says_so(tmp_path):
    turns = [(s, t) for s in range(40) for t in range(4 if s else 3)]
    ranks = np.full(len(turns), 8)
    names = [[f"{word}{s}" for s, _ in turns] for word in ("s", "image ")]
    tied = tabulate(Rows("f", names[0], [t for _, t in turns], names[1], ranks, ranks + 4), "tied", GALLERY, PROTOCOL)
    found = compare([GOOD, tied], ["R@10"], SETTINGS, allowed=["ended"])
    assert found["warnings"][0] == "tied: 1 of 40 sessions ended early; their last rank is carried on"
    assert found["warnings"][-1] == "tied, turn 3: R@10 lies between 0.0000 and 1.0000, by the rule for ties"
    page = write_comparison(found, tmp_path).read_text()
    assert all(line in page for line in found["warnings"][:3]) and "Read with care" in page
    assert "Read with care" not in write_comparison(compare([GOOD, BAD], ["R@10"], SETTINGS), tmp_path).read_text()


class Sources(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.found: list[str | None] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [value for key, value in attrs if key in ("src", "href")]


def test_the_page_is_one_file_and_every_format_has_every_number(tmp_path):
    bad = replace(BAD, name="<script>_x</script>")
    found = compare([GOOD, bad], ["R@10", "Hits@10", "BRI"], SETTINGS)
    page = write_comparison(found, tmp_path).read_text()
    sources = Sources(page)
    assert "script" not in sources.tags
    assert len(sources.found) == 2 and all(str(one).startswith("data:image/svg+xml;base64,") for one in sources.found)
    names = {"comparison.html", "comparison.json", "comparison.md", "comparison.tex", "figures"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert json.loads((tmp_path / "comparison.json").read_text()) == found
    texts = [page, *((tmp_path / f"comparison.{kind}").read_text() for kind in ("md", "tex"))]
    for row in paired_table(found)[1:]:
        value = re.escape(row[4])
        assert all(re.search(value, text) for text in texts)
