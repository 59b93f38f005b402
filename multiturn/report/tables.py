"""Tables of a report as rows of text, in Markdown and HTML; every number comes from `metrics`.

A table is a list of rows, the header first. `metrics` is the content of metrics.json.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from multiturn.evaluation import TIE_WARNING
from multiturn.metrics import described, known

Metrics = Mapping[str, Any]
Row = Mapping[str, Any]
Table = list[list[str]]

RANKS = ("mean_rank", "median_rank")
NO_COLUMN = ("turn", "interval", "ties", "ended_early", "percentile_of_n", "reciprocal_rank")
OVER_TIME = ("Hits@", "carry@")  # stand in a table of their own, see protocol_tables.py
LABELS = {
    "percentile": "Percentile",
    "percentile_of_n": "Percentile of N",
    "reciprocal_rank": "MRR",
    "matching_attributes": "Matching attributes",
}
DECIMALS = {"matching_attributes": 2}
UNIT_DECIMALS = {"rank": 1, "turns": 2}
SEEN = {
    "keep": "shown candidates stay in the ranking",
    "drop_from_display": "shown candidates are not shown again but stay in the ranking",
    "drop_from_rank": "shown candidates leave the ranking, and a target shown and overlooked is missed",
}
ENDED = {
    "carry": "Sessions that ended early keep their last rank",
    "missed": "Sessions that ended early count as missed from then on, at the last rank",
}
NONE = "–"


def is_share(name: str) -> bool:
    """Whether a metric lies in [0, 1] and is printed as a percentage."""
    return known(name) and described(name).unit == "share"


def label(name: str) -> str:
    """How tables and figures call a metric, with its unit.

    Example:
        >>> label("R@10"), label("mean_rank"), label("carry@10:R@1"), label("rounds@10")
        ('R@10, %', 'Mean rank', 'R@1, carry@10, %', 'Rounds to hit@10')
    """
    if words := LABELS.get(name):
        pass
    elif name.startswith("area:"):
        words = f"Area under {name.removeprefix('area:')}"
    elif match := re.fullmatch(r"(carry@\d+)(?::(.*))?", name):
        words = f"{match[2] or 'Rank'}, {match[1]}"
    elif match := re.fullmatch(r"rounds@(\d+)", name):
        words = f"Rounds to hit@{match[1]}"
    else:
        words = name if name[:1].isupper() else name.replace("_", " ").capitalize()
    return f"{words}, %" if is_share(name) else words


def number(name: str, value: float | int) -> str:
    """Print a value of a metric: shares as percentages with two decimals, ranks with one, others with four.

    Example:
        >>> number("percentile", 0.98123), number("median_rank", 1234.5), number("loss", 0.0297)
        ('98.12', '1,234.5', '0.0297')
    """
    if is_share(name):
        return f"{100 * value:.2f}"
    decimals = UNIT_DECIMALS.get(described(name).unit, 4) if known(name) else DECIMALS.get(name, 4)
    return f"{value:,.{decimals}f}"


def cell(name: str, row: Row) -> str:
    """A metric of a turn with its interval, and with its bounds where the rule for ties matters.

    Example:
        >>> cell("R@1", {"R@1": 0.5, "interval": {"R@1": [0.4, 0.6]}, "ties": {"R@1": [0.25, 1.0]}})
        '50.00 [40.00, 60.00] (ties 25.00–100.00)'
    """
    if name not in row:
        return NONE
    low, high = row["interval"][name]
    text = f"{number(name, row[name])} [{number(name, low)}, {number(name, high)}]"
    if name in row["ties"]:
        low, high = sorted(row["ties"][name])
        printed = number(name, low) != number(name, high)
        if high - low > TIE_WARNING if is_share(name) else printed:
            text += f" (ties {number(name, low)}–{number(name, high)})"
    return text


def recalls(row: Row) -> list[str]:
    """The R@K of a row, in its order."""
    return [name for name in row if name.startswith("R@")]


def all_turns(metrics: Metrics) -> list[Row]:
    """Rows of the model's turns, before any reply first if that was played."""
    before = metrics["before_feedback"]
    return [*([] if before is None else [before]), *metrics["per_turn"]]


def titled(other: Mapping[str, Any]) -> str:
    """Name of a method beside the model, with its role."""
    return f"{other['name']} ({other['role']})"


def chance(metrics: Metrics) -> dict[str, float]:
    """What a random ranking reaches on average."""
    size = metrics["gallery"]["size"]
    ks = {name: min(int(name[2:]), size) / size for name in recalls(metrics["per_turn"][-1])}
    return {"percentile": 0.5, **ks, **dict.fromkeys(RANKS, (size + 1) / 2)}


def own_measures(metrics: Metrics) -> list[str]:
    """Names of what a task measures at each turn beside ranks."""
    names = [name for name in metrics["per_turn"][-1] if name not in NO_COLUMN and not name.startswith(OVER_TIME)]
    return [name for name in names if not known(name)]


def measure_table(metrics: Metrics) -> Table:
    """What the task measures beside ranks: the model at each turn, each other method at its last."""
    columns = own_measures(metrics)
    rows = [(metrics["model"], row) for row in all_turns(metrics)]
    rows += [(titled(other), other["per_turn"][-1]) for other in metrics["others"]]
    body = [[name, str(row["turn"]), *(cell(column, row) for column in columns)] for name, row in rows]
    return [["Method", "Turn", *(label(name) for name in columns)], *body]


def per_turn_table(metrics: Metrics, measures: bool = True) -> Table:
    """The model at each turn, before any reply first; then each other method at its own last turn.

    Args:
        measures: whether what the task measures beside ranks has columns too; they stand in `measure_table` else.
    """
    turns = all_turns(metrics)
    columns = [name for name in turns[-1] if name not in NO_COLUMN and not name.startswith(OVER_TIME)]
    if not measures:
        columns = [name for name in columns if known(name)]
    table = [["Method", "Turn", *(label(name) for name in columns)]]
    for row in turns:
        table.append([metrics["model"], str(row["turn"]), *(cell(name, row) for name in columns)])
    for other in metrics["others"]:
        row = other["per_turn"][-1]
        table.append([titled(other), str(row["turn"]), *(cell(name, row) for name in columns)])
    if metrics["harm_rate"]:
        before, others = [NONE] * (len(turns) - len(metrics["per_turn"])), [NONE] * len(metrics["others"])
        for line, share in zip(table, ["Harmed, %", *before, *harmed(metrics), *others], strict=True):
            line.append(share)
    return table


def harmed(metrics: Metrics) -> list[str]:
    """Share of sessions whose target ranks worse than without feedback; older results lack its interval."""
    ends = [f" [{100 * low:.2f}, {100 * high:.2f}]" for low, high in metrics.get("harm_interval", [])]
    shares = [f"{100 * share:.2f}" for share in metrics["harm_rate"]]
    return [share + end for share, end in zip(shares, ends or [""] * len(shares), strict=True)]


def paper_table_1(metrics: Metrics) -> Table:
    """Upper bound, lower bound and expectation of each baseline's tied block, against the model's last turn.

    Source:
        papers/facial-progressive-feedback.txt, table 1. The paper prints the percentile only; R@K is added,
        since a percentile alone flatters.
    """
    last = metrics["per_turn"][-1]
    methods = [(titled(other), other["per_turn"][-1]) for other in metrics["others"] if other["role"] == "baseline"]
    table = [["Method", "Upper bound, %", "Lower bound, %", "Expectation, %", *(label(k) for k in recalls(last))]]
    for name, row in [*methods, (f"{metrics['model']}, turn {last['turn']}", last)]:
        worst, best = (number("percentile", value) for value in row["ties"].get("percentile", [row["percentile"]] * 2))
        bounds = [best, worst] if "percentile" in row["ties"] else ["N/A", "N/A"]
        table.append([name, *bounds, *(cell(metric, row) for metric in ["percentile", *recalls(last)])])
    return table


def comparison_table(metrics: Metrics) -> Table:
    """Paired differences between the model and others, and whether their intervals leave out zero."""
    table = [["Metric", "Of", "Over", "Difference", "Reading"]]
    for pair in metrics["comparisons"]:
        name, (low, high) = pair["metric"], pair["interval"]
        gain = 1 if described(name).rising else -1
        reading = "no difference shown" if low <= 0 <= high else "better" if gain * pair["difference"] > 0 else "worse"
        gap, *ends = (("+" if value > 0 else "") + number(name, value) for value in (pair["difference"], low, high))
        unit = " points" if is_share(name) else ""
        difference = f"{gap}{unit} [{ends[0]}, {ends[1]}]"
        table.append([label(name).removesuffix(", %"), pair["of"], pair["over"], difference, reading])
    return table


def protocol_line(metrics: Metrics) -> str:
    """What a reader of the table alone must know: data, gallery, chance, ties, seen candidates, intervals."""
    protocol, gallery = metrics["protocol"], metrics["gallery"]
    by_chance = ", ".join(
        f"{name.replace('_', ' ')} {number(name, value)}{' %' if is_share(name) else ''}"
        for name, value in chance(metrics).items()
        if name != "median_rank"
    )
    said = {"turns", "page_size", "seen", "tie", "confidence", "hits_from", "page", "ended"}
    rest = [f"{name.replace('_', ' ')}: {plain(value)}" for name, value in protocol.items() if name not in said]
    page = f", {protocol['page_size']} shown a turn" if protocol["page_size"] else ""
    sentences = [
        f"Data: {metrics['data']}",
        f"Gallery: {gallery['size']:,} candidates ({gallery['source']})",
        f"{metrics['sessions']:,} sessions of {protocol['turns']} replies{page}",
        f"By chance: {by_chance}",
        f"Ties: the {protocol['tie']} rank; bounds are printed where the rule matters by over "
        f"{100 * TIE_WARNING:g} point",
        f"Seen: {protocol['seen']} ({SEEN[protocol['seen']]})",
        f"Brackets: {100 * protocol['confidence']:g} % bootstrap intervals over sessions",
        *([_counting(protocol)] if "hits_from" in protocol else []),
        *([ENDED[protocol["ended"]]] if "ended" in protocol else []),
        *([f"Protocol: {'; '.join(rest)}"] if rest else []),
        *(["Harmed: the target ranks worse than without feedback"] if metrics["harm_rate"] else []),
    ]
    return " ".join(f"{sentence.rstrip('.')}." for sentence in sentences)


def _counting(protocol: Mapping[str, Any]) -> str:
    """From which turn on a hit counts."""
    return (
        f"Hits, carried ranks, rounds and areas count from turn {protocol['hits_from']}, BRI from the first turn listed"
    )


def certificate_lines(metrics: Metrics) -> list[str]:
    """What is certified of the approximate index that a run used; no line if its search was exact.

    `metrics["index"]["text"]` holds the lines.
    """
    return str(metrics["index"]["text"]).strip().splitlines() if "index" in metrics else []


def plain(value: Any) -> str:
    """A value of a protocol as a person writes it.

    Example:
        >>> plain([0.5, 0.1]), plain(False), plain({"without a caption": 2})
        ('0.5, 0.1', 'no', '2 without a caption')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{plain(part)} {name}" for name, part in value.items())
    return ", ".join(plain(part) for part in value) if isinstance(value, list) else str(value)


def markdown_table(table: Sequence[Sequence[str]], note: str = "") -> str:
    """Write a table in Markdown, with a line under it.

    Example:
        >>> print(markdown_table([["Turn", "R@1, %"], ["1", "4.00"]], "By chance 1 %."))
        | Turn | R@1, % |
        |:--|--:|
        | 1 | 4.00 |
        <BLANKLINE>
        By chance 1 %.
    """
    head, *body = ([re.sub(r"\s+", " ", text).replace("|", r"\|") for text in row] for row in table)
    lines = [head, *body]
    marks = "|:--|" + "--:|" * (len(head) - 1)
    written = [f"| {' | '.join(row)} |" for row in lines]
    return "\n".join([written[0], marks, *written[1:], *(["", note] if note else [])])


def html_table(table: Sequence[Sequence[str]], note: str = "", caption: str = "") -> Markup:
    """Write a table in HTML, with a line under it; text is escaped, brackets and bounds are set small."""
    head, *body = table
    columns = Markup("").join(Markup('<th scope="col">{}</th>').format(text) for text in head)
    rows = Markup("").join(
        Markup('<tr{}><th scope="row">{}</th>{}</tr>\n').format(
            Markup(' class="again"') if above[0] == first else "",
            first,
            Markup("").join(map(_html_cell, rest)),
        )
        for above, (first, *rest) in zip(table, body, strict=False)
    )
    title = Markup("<caption>{}</caption>").format(caption) if caption else ""
    under = Markup('<p class="note">{}</p>').format(note) if note else ""
    return Markup(
        '<div class="scroll" role="group" tabindex="0" aria-label="{}"><table>{}<thead><tr>{}</tr></thead>\n'
        "<tbody>{}</tbody></table></div>{}"
    ).format(caption or "table", title, columns, rows, under)


def _html_cell(text: str) -> Markup:
    value, bracket, rest = text.partition(" [")
    if not bracket:
        return Markup("<td>{}</td>").format(text)
    interval, ties, bounds = rest.partition(" (ties ")
    under = Markup(" <small>(ties {}</small>").format(bounds) if ties else ""
    return Markup("<td>{} <small>[{}</small>{}</td>").format(value, interval, under)
