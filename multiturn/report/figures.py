"""Curves over turns and over epochs, readable in greyscale and by the colour-blind; makes no numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from multiturn.files import atomic_file
from multiturn.report.tables import (
    NO_COLUMN,
    RANKS,
    Metrics,
    Row,
    all_turns,
    chance,
    is_share,
    label,
    number,
    recalls,
    titled,
)

# Okabe and Ito's colours, which colour-blind readers tell apart; markers and dashes do so in greyscale.
LOOKS = (
    ("#0072B2", "o", "-"),
    ("#D55E00", "s", "--"),
    ("#009E73", "^", "-."),
    ("#CC79A7", "D", (0, (5, 1, 1, 1, 1, 1))),
    ("#E69F00", "v", (0, (3, 2))),
    ("#56B4E9", "P", (0, (7, 2))),
    ("#000000", "X", ":"),
)
GREY = "#767676"
CROWD = 4  # bands of more curves than this are drawn fainter
LISTS = ("Hit@", "precision@", "average_precision", "found")
WIDE = 10.0  # a log axis is drawn where ranks spread over more than this factor


def curves(series: Mapping[str, Sequence[Row]], metric: str, title: str = "", by_chance: float | None = None) -> Figure:
    """Draw one metric by turn, one curve a series, with its interval as a band.

    A series of one row gave one answer for all turns: it becomes a horizontal line, and its band, hatched,
    reaches from the pessimistic to the optimistic rule for ties.

    Args:
        series: rows of `multiturn.evaluation.per_turn` under the name that the legend prints.
        metric: a key of the rows; series without it are left out.
        title: above the axes.
        by_chance: what a random ranking reaches, drawn dotted.
    Raises:
        ValueError: no series has the metric.
    Source:
        papers/facial-progressive-feedback.txt, figure 4 (percentile) and figure 5 (loss).
    """
    having = {name: [row for row in rows if metric in row] for name, rows in series.items()}
    drawn = {name: rows for name, rows in having.items() if rows}
    if not drawn:
        raise ValueError(f"no series has {metric!r}; there are {', '.join(series) or 'none'}")
    across = 1 if max(map(len, drawn)) > 22 else 2
    entries = len(drawn) + (by_chance is not None)
    figure, (axes,) = _canvas(1, legend=-(-entries // across))
    for index, (name, rows) in enumerate(drawn.items()):
        colour, marker, dash = LOOKS[index % len(LOOKS)]
        if len(rows) == 1:
            _level(axes, name, rows[0], metric, colour, dash)
        else:
            _curve(axes, name, rows, metric, colour, marker, dash, 0.18 if len(drawn) <= CROWD else 0.07)
    if by_chance is not None:
        axes.axhline(_scaled(metric, by_chance), color=GREY, lw=1, ls=":", label="by chance")
    name, rows = next(iter(drawn.items()))
    value = _scaled(metric, rows[-1][metric])
    if len(rows) > 1:
        axes.annotate(
            number(metric, rows[-1][metric]),
            (rows[-1]["turn"], value),
            (0, 7),
            textcoords="offset points",
            ha="center",
            color=LOOKS[0][0],
            fontweight="bold",
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )
    if metric in RANKS and _spread(drawn, metric) > WIDE:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set(xlabel="Turn (replies given)", ylabel=label(metric))
    if all(len(rows) == 1 for rows in drawn.values()):
        axes.set(xlabel=f"Turn {rows[-1]['turn']}", xticks=[])
    axes.set_title(title, loc="left")
    axes.margins(x=0.06, y=0.1)
    figure.legend(loc="outside lower left", ncols=across, frameon=False)
    return figure


def _curve(
    axes: Axes, name: str, rows: Sequence[Row], metric: str, colour: str, marker: str, dash: Any, alpha: float
) -> None:
    turns = [row["turn"] for row in rows]
    low, high = zip(*([_scaled(metric, end) for end in row["interval"][metric]] for row in rows), strict=True)
    axes.fill_between(turns, low, high, color=colour, alpha=alpha, lw=0)
    axes.plot(
        turns,
        [_scaled(metric, row[metric]) for row in rows],
        color=colour,
        marker=marker,
        ls=dash,
        label=name,
    )


def _level(axes: Axes, name: str, row: Row, metric: str, colour: str, dash: Any) -> None:
    ties = row["ties"].get(metric)
    low, high = (_scaled(metric, end) for end in (ties or row["interval"][metric]))
    axes.axhspan(low, high, facecolor=colour, alpha=0.15, lw=0)
    if ties:
        axes.axhspan(low, high, facecolor="none", edgecolor=colour, alpha=0.45, hatch="///", lw=0)
    what = f"{name}, band: rule for ties" if ties else name
    axes.axhline(_scaled(metric, row[metric]), color=colour, ls=dash, label=what)


def _spread(series: Mapping[str, Sequence[Row]], metric: str) -> float:
    values = [row[metric] for rows in series.values() for row in rows]
    return max(values) / min(values)


def _scaled(metric: str, value: float | int) -> float | int:
    return 100 * value if is_share(metric) else value


def training_curves(history: Sequence[Mapping[str, float]], name: str = "") -> Figure:
    """Draw training loss and validation values by epoch, each in its own axes, the R@K together.

    Args:
        name: of the training, above all axes.
    Raises:
        ValueError: no epoch, or nothing but its number.
    """
    together: dict[str, list[str]] = {}
    for value in history[0] if history else ():
        if value not in ("epoch", *NO_COLUMN):
            together.setdefault(_training_label(value), []).append(value)
    if not together:
        raise ValueError("the history of training holds no value to draw")
    figure, panels = _canvas(len(together))
    if name:
        figure.suptitle(name[0].upper() + name[1:], x=0.02, ha="left")
    for (words, names), axes in zip(together.items(), panels, strict=True):
        for value, (colour, marker, dash) in zip(names, LOOKS, strict=False):
            epochs, values = [row["epoch"] for row in history], [_scaled(value, row[value]) for row in history]
            axes.plot(epochs, values, color=colour, marker=marker, ms=4, ls=dash, label=value)
        if len(history) == 1:
            axes.set_xlim(history[0]["epoch"] - 0.5, history[0]["epoch"] + 0.5)
        axes.set_xlabel("Epoch")
        axes.set_title(words, loc="left", fontsize="medium")  # An axis is too short for the words beside it.
        if len(names) > 1:
            below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.28), "ncols": 2}
            axes.legend(frameon=False, fontsize="small", handlelength=1.6, columnspacing=1, **below)
    return figure


def _training_label(name: str) -> str:
    if name == "loss":
        return "Training loss"
    if name.startswith("R@"):
        return "Validation R@K, %"
    return f"Validation {label(name.removeprefix('validation_')).lower()}"


def _canvas(panels: int, legend: int = 0) -> tuple[Figure, list[Axes]]:
    across = min(panels, 2)
    down = -(-panels // across)
    # As wide as a column of a page on a telephone can be: text stays legible there.
    figure = Figure(figsize=(5.4, max(3.4 + 0.2 * legend, 2.4 * down)), layout="constrained")
    every = list(figure.subplots(down, across, squeeze=False).flat)
    for axes in every[panels:]:
        axes.remove()
    for axes in every[:panels]:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e4e4e4", lw=0.8)
        axes.set_axisbelow(True)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure, every[:panels]


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PATH.png and PATH.svg, each all or nothing; the same figure gives the same bytes.

    Returns:
        path of the SVG.
    """
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
        with (
            atomic_file(path.with_name(f"{path.name}.{kind}")) as temporary,
            matplotlib.rc_context({"svg.hashsalt": path.name}),
        ):
            figure.savefig(temporary, format=kind, dpi=150, metadata=metadata)
    return path.with_name(f"{path.name}.svg")


def report_figures(
    metrics: Metrics, histories: Mapping[str, Sequence[Mapping[str, float]]], folder: Path
) -> dict[str, Path]:
    """Draw and save the figures of a report.

    Args:
        histories: of each training, one dict an epoch, under the training's name; one without a name is called
            'Training' alone.
        folder: is made if need be.
    Returns:
        the SVG of each figure under its title.
    """
    turns = all_turns(metrics)
    series = {metrics["model"]: turns} | {titled(other): other["per_turn"] for other in metrics["others"]}
    ks = recalls(turns[-1])
    wanted = {"percentile": "Ranking percentile by turn", "median_rank": "Median rank of the target by turn"}
    if ks:
        middle = ks[len(ks) // 2]
        wanted[middle] = f"Share of targets among the first {middle[2:]} by turn"
        wanted[f"Hits@{middle[2:]}"] = f"Share of targets once among the first {middle[2:]}, by turn"
    wanted |= {"loss": "Loss by turn", "matching_attributes": "Attributes shared with the target by turn"}
    # What a page or a whole list holds, where several candidates are relevant.
    wanted |= {name: f"{label(name)} by turn" for name in turns[-1] if name.startswith(LISTS)}
    random_ranking = chance(metrics)
    figures = {
        title: save_figure(curves(series, name, title, random_ranking.get(name)), folder / _stem(name))
        for name, title in wanted.items()
        if name in turns[-1]
    }
    for name, history in histories.items():
        stem = f"training_{name}" if name else "training"
        title = f"Training: {name}" if name else "Training"
        figures[title] = save_figure(training_curves(history, name), folder / stem.replace(" ", "_"))
    return figures


def _stem(metric: str) -> str:
    return metric.lower().replace("@", "_at_")
