"""Certificates of indexes side by side, as a table and as recall against time; makes no numbers."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from multiturn.certificates import Certificate
from multiturn.report.figures import GREY, LOOKS
from multiturn.report.tables import Table


def certificates_table(certificates: Sequence[Certificate]) -> Table:
    """A row an index and effort: recall with its interval, time against exact search, bytes, build time."""
    first = certificates[0]
    recalls = [f"Recall@{one.k}, %" for one in first.recall]
    times = ["One query, ms", "× exact", f"Batch of {first.batch}, ms a query", "× exact"]
    table = [["Index", *recalls, *times, "MB", "Built in, s", "Searched exactly, %"]]
    for one in certificates:
        speeds = [text for speed in (one.single, one.batched) for text in (f"{speed.index:.3f}", f"{speed.times:.3g}")]
        table.append(
            [
                one.name,
                *(f"{100 * r.value:.2f} [{100 * r.low:.2f}, {100 * r.high:.2f}]" for r in one.recall),
                *speeds,
                f"{one.bytes / 1e6:.1f}",
                f"{one.build_seconds:.1f}",
                f"{100 * one.short:.1f}",
            ]
        )
    return table


def table_note(certificates: Sequence[Certificate]) -> str:
    """What a reader of the table must know."""
    first = certificates[0]
    exact = sorted(one.single.exact for one in certificates)
    return (
        f"{first.candidates:,} candidates of {first.dim} numbers ({first.gallery}); {first.queries:,} queries: "
        f"{first.asked}. Brackets: 95 % Wilson intervals. Of the exact answers' places {100 * first.tied:.2f} % tie "
        f"with the next, and either counts. Times are medians for pages of {first.page} with exact scores, measured in "
        f"turns with exact search, which takes {exact[0]:.2f} to {exact[-1]:.2f} ms a query; threads: "
        f"{first.machine['threads']}. Searched exactly: queries for which the index proposed too few."
    )


def recall_against_time(certificates: Sequence[Certificate]) -> Figure:
    """Recall at the middle k against the time of one query; efforts of one index are joined, exact search is marked."""
    middle = len(certificates[0].recall) // 2
    figure = Figure(figsize=(5.4, 4.6), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    families: dict[str, list[Certificate]] = {}
    for one in certificates:
        parts = [part.factory if part.by == "vectors" else f"{part.factory} of {part.by}" for part in one.indexes]
        families.setdefault(" and ".join(parts), []).append(one)
    for number, (name, some) in enumerate(families.items()):
        colour, marker, dash = LOOKS[number % len(LOOKS)]
        some = sorted(some, key=lambda one: one.single.index)
        recall = [one.recall[middle] for one in some]
        ends = [[100 * (r.value - r.low) for r in recall], [100 * (r.high - r.value) for r in recall]]
        axes.errorbar(
            [one.single.index for one in some],
            [100 * r.value for r in recall],
            yerr=ends,
            color=colour,
            marker=marker,
            ls=dash,
            capsize=2,
            label=name,
        )
    exact = sorted(one.single.exact for one in certificates)[len(certificates) // 2]
    axes.axvline(exact, color=GREY, lw=1, ls=":", label="exact search")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="One query, ms", ylabel=f"Recall@{certificates[0].recall[middle].k}, %")
    axes.set_title("Approximate indexes: recall against time", loc="left")
    figure.legend(loc="outside lower left", ncols=1, frameon=False)
    return figure
