"""Pictures of reverse face search: pages of some people, and misses against false alarms; no numbers are made here."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from datasets import Dataset
from jaxtyping import Float64
from matplotlib.figure import Figure
from numpy import ndarray

from facefb.reverse_open_set import Level
from facefb.reverse_retriever import ExampleRetriever
from facefb.reverse_scores import similarity
from facefb.reverse_users import Album
from multiturn.files import atomic_file
from multiturn.gallery import Gallery
from multiturn.replies import ImageReply
from multiturn.report.figures import LOOKS
from multiturn.report.sheet import FOUND, Cell, SheetRow, write_sheet
from multiturn.session import Session

PAGES_TITLE = "Searches with a person's first photo, which comes first, and the faces found; a frame marks the person"
CURVE_TITLE = "Open set: searches for enrolled people that miss, against strangers taken for somebody"
ACROSS = 7  # pictures in a row
SOME = 3  # people where none are named

Curve = tuple[Float64[ndarray, " point"], Float64[ndarray, " point"]]


def chosen_people(album: Album, people: Sequence[str]) -> list[int]:
    """Positions of the first photos of people.

    Args:
        people: names; without any, some with two or more photos are taken.
    Raises:
        ValueError: nobody is called so.
    """
    first = {}
    for place in reversed(range(len(album.person))):
        first[str(album.names[int(album.person[place])])] = place
    if missing := [name for name in people if name not in first]:
        raise ValueError(
            f"pages.people names {missing[0]!r}, of whom there is no face; names are like {next(iter(first))!r}"
        )
    if people:
        return [first[name] for name in people]
    several = sorted(place for place in first.values() if int(album.photos[place]) > 1)
    return several[:: max(1, len(several) // SOME)][:SOME]


def page_rows(
    title: str, retriever: ExampleRetriever, gallery: Gallery, album: Album, places: Sequence[int], top: int
) -> list[list[SheetRow]]:
    """Rows of a sheet for each search with one photo: the photo, then the page; scores are 1 / (1 + d^2).

    Args:
        title: of the method.
        places: of the photos.
    """
    chosen = torch.tensor(places, device=gallery.vectors.device)
    session = Session(retriever, gallery, chosen, min(top, len(gallery)))
    turn = session.tell(ImageReply(tuple(gallery.ids[place] for place in places), gallery.vectors[chosen].float()))
    sheet = []
    for row, place in enumerate(places):
        person, others = str(album.names[int(album.person[place])]), int(album.photos[place]) - 1
        cells = [Cell(gallery.ids[place], ["query"])]
        for shown, score in zip(turn.shown[row].tolist(), turn.scores[row].tolist(), strict=True):
            same = int(album.person[shown]) == int(album.person[place])
            lines = [str(album.names[int(album.person[shown])])[:18], f"{similarity(score):.3f}"]
            cells.append(Cell(gallery.ids[shown], lines, FOUND if same else None))
        heading = f"{person.replace('_', ' ')}, {others} more: {title}"
        starts = range(0, len(cells), ACROSS)
        sheet.append([SheetRow("" if begin else heading, cells[begin : begin + ACROSS]) for begin in starts])
    return sheet


def write_pages(sheets: Sequence[Sequence[Sequence[SheetRow]]], images: Dataset, path: Path) -> None:
    """Draw the pages of several methods, those of one person below each other."""
    rows = [row for of_person in zip(*sheets, strict=True) for of_method in of_person for row in of_method]
    write_sheet(rows, images, path, PAGES_TITLE)


def write_curves(curves: Mapping[str, Curve], levels: Mapping[str, Sequence[Level]], path: Path) -> None:
    """Draw FNIR against FPIR as a PNG file, with the calibrated levels and their intervals as crosses."""
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.subplots()
    for (name, (fpir, fnir)), (colour, marker, dash) in zip(curves.items(), LOOKS, strict=False):
        passed = fpir > 0
        axes.step(100 * fpir[passed], 100 * fnir[passed], where="post", color=colour, ls=dash, label=name)
        for level in levels[name]:
            at, value = 100 * level.fpir, 100 * level.fnir
            low, high = (100 * end for end in level.fnir_interval)
            if at > 0:
                axes.plot([at, at], [low, high], color=colour, lw=1.2)
                axes.plot([at], [value], marker, color=colour)
    axes.set_xscale("log")
    axes.set(xlabel="FPIR: strangers taken for somebody, %", ylabel="FNIR: searches for enrolled people that miss, %")
    axes.set_ylim(0, 100)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e4e4e4", lw=0.8)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower left", frameon=False)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150, metadata={"Title": CURVE_TITLE, "Software": None})
