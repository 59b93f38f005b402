"""What people read of a comparison: its table in Markdown, LaTeX and HTML, curves, one page; comparison.py tests."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from multiturn.files import write_text
from multiturn.report.figures import curves, save_figure
from multiturn.report.page import data_uri, templates
from multiturn.report.tables import NONE, Table, html_table, is_share, label, markdown_table, number

LATEX = {
    "\\": r"\textbackslash{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "−": "$-$",
    "<": "$<$",
    ">": "$>$",
}


def paired_table(comparison: Mapping[str, Any]) -> Table:
    """A row a test: both means, their difference with its interval, effect size, corrected p-values, the reading."""
    head = [
        *("Metric", "Turn", "Of", "Over", "Of: mean", "Over: mean", "Difference", "d_z"),
        *("p, permutation", "p, paired t", "Higher / lower", "Reading"),
    ]
    table = [head]
    for test in comparison["tests"]:
        name = test["metric"]
        gap, *ends = (
            ("+" if value > 0 else "") + number(name, value)
            for value in (test["difference"], test["low"], test["high"])
        )
        table.append(
            [
                label(name),
                NONE if test["turn"] is None else str(test["turn"]),
                test["of"],
                test["over"],
                number(name, test["of_value"]),
                number(name, test["over_value"]),
                f"{gap}{' points' if is_share(name) else ''} [{ends[0]}, {ends[1]}]",
                NONE if test["effect"] is None else f"{test['effect']:.3f}",
                p_value(test["p_permutation_holm"]),
                p_value(test["p_t_holm"]),
                f"{test['higher']} / {test['lower']}",
                test["reading"],
            ]
        )
    return table


def apart_table(pair: Mapping[str, Any]) -> Table:
    """Ranks of the target by turn in both runs of a pair, in the sessions in which they differ most.

    Args:
        pair: an entry of the comparison's `apart`.
    """
    sessions, place = pair["sessions"], pair["turn"] - pair["first"]
    turns = range(pair["first"], pair["first"] + len(sessions[0]["of"])) if sessions else ()
    table = [["Target", "Better", "Run", *(f"Turn {turn}" for turn in turns)]]
    for one in sessions:
        better = pair["of"] if one["of"][place] < one["over"][place] else pair["over"]
        for side in ("of", "over"):
            ranks = [f"{rank:,.1f}".removesuffix(".0") for rank in one[side]]
            table.append([one["target"], better, pair[side], *ranks])
    return table


def p_value(value: float) -> str:
    """A p-value with three decimals.

    Example:
        >>> p_value(0.0123), p_value(1e-7)
        ('0.012', '< 0.001')
    """
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def comparison_line(comparison: Mapping[str, Any]) -> str:
    """What a reader of the table alone must know."""
    protocol, gallery = comparison["protocol"], comparison["gallery"]
    sentences = [
        f"{comparison['sessions']:,} sessions, paired by target, among {gallery['size']:,} candidates "
        f"({gallery['source']})",
        *([f"Seen: {protocol['seen']}"] if "seen" in protocol else []),  # The notes tell it where runs differ.
        f"Hits count from turn {protocol['hits_from']}",
        "Ties: the expected rank",
        f"Brackets: {100 * protocol['confidence']:g} % bootstrap intervals over sessions, for each test alone",
        f"p: two-sided, Holm's correction over the {len(comparison['tests'])} tests of the table",
        "d_z: mean difference over the standard deviation of differences",
        "Higher / lower: sessions in which the value is so",
        "The reading follows the permutation test",
        *comparison["notes"],
    ]
    return " ".join(f"{sentence.rstrip('.')}." for sentence in sentences)


def latex_table(table: Sequence[Sequence[str]], note: str = "") -> str:
    r"""Write a table for LaTeX's booktabs package, with a line under it; whatever a name holds is printed as it is.

    Example:
        >>> print(latex_table([["Turn", "R@1, %"], ["1", "4.00"]]))
        \begin{tabular}{lr}
        \toprule
        Turn & R@1, \% \\
        \midrule
        1 & 4.00 \\
        \bottomrule
        \end{tabular}
    """
    head, *body = (" & ".join(_latex(text) for text in row) + r" \\" for row in table)
    columns = "l" + "r" * (len(table[0]) - 1)
    under = [r"\par\smallskip", r"{\footnotesize " + _latex(note) + "}"] if note else []
    rules = [
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        head,
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join([*rules, *under])


def _latex(text: str) -> str:
    return "".join(LATEX.get(mark, mark) for mark in re.sub(r"\s+", " ", text))


def write_comparison(comparison: Mapping[str, Any], folder: Path) -> Path:
    """Write comparison.json, .md, .tex, .html and figures/, each all or nothing.

    Returns:
        path of the page, one file that asks nothing of the network.
    """
    table, note = paired_table(comparison), comparison_line(comparison)
    figures = {}
    for name in comparison["drawn"]:
        title = f"{label(name)} by turn"
        stem = re.sub(r"\W+", "_", name.lower().replace("@", "_at_"))
        path = save_figure(curves(comparison["per_turn"], name, title), folder / "figures" / stem)
        figures[title] = data_uri(path)
    apart = {f"{pair['of']} against {pair['over']}, turn {pair['turn']}": pair for pair in comparison["apart"]}
    page = (
        templates()
        .get_template("comparison.html.j2")
        .render(
            runs=comparison["runs"],
            table=html_table(table, note, "Paired tests over the same targets"),
            figures=figures,
            warnings=comparison["warnings"],
            apart={
                title: html_table(apart_table(pair), caption=title) if pair["sessions"] else ""
                for title, pair in apart.items()
            },
        )
    )
    write_text(folder / "comparison.json", json.dumps(comparison, indent=1, allow_nan=False))
    write_text(folder / "comparison.md", markdown_table(table, note) + "\n")
    write_text(folder / "comparison.tex", latex_table(table, note) + "\n")
    write_text(folder / "comparison.html", page)
    return folder / "comparison.html"
