"""Pictures of attribute queries and the faces that they find; the drawing itself is in multiturn.report.sheet."""

from collections.abc import Sequence
from pathlib import Path

import torch
from datasets import Dataset
from jaxtyping import Int8
from torch import Tensor

from facefb.attribute_queries import AttributeQueries, fitting
from multiturn.report.sheet import FOUND, Cell, SheetRow, write_sheet
from multiturn.trial import Outcome

TITLE = "Queries and the faces found first; a frame marks a face that agrees with the whole query"
SHOWN = 6  # queries


def queries_picture(
    outcome: Outcome, queries: AttributeQueries, images: Dataset, names: Sequence[str], path: Path
) -> None:
    """Draw the first page after turn 1 of evenly spaced sessions.

    Args:
        outcome: of a trial with `queries` as its user.
        queries: say what was wanted.
        images: with the columns `id` and `image`.
        names: of the attributes.
        path: PNG file to write.
    """
    gallery, targets = outcome.trial.gallery, outcome.trial.targets.cpu()
    chosen = torch.linspace(0, len(targets) - 1, min(SHOWN, len(targets))).long()
    target = targets[chosen].to(gallery.vectors.device)
    wanted = queries.wanted(target, target, 1)
    fits = fitting(queries.attributes, wanted).cpu()
    rows = []
    for row, session in enumerate(chosen.tolist()):
        cells = [
            Cell(gallery.ids[place], [gallery.ids[place]], FOUND if fits[row, place] else None)
            for place in outcome.shown[session, 1].tolist()
        ]
        rows.append(SheetRow(query_text(wanted[row], names), cells))
    write_sheet(rows, images, path, TITLE)


def query_text(wanted: Int8[Tensor, " attribute"], names: Sequence[str]) -> str:
    """A query in words, as `facefb.attribute_queries.read_query` reads it.

    Example:
        >>> query_text(torch.tensor([-1, 1, 0], dtype=torch.int8), ["Male", "Smiling", "Young"])
        'not Male, Smiling'
    """
    said = zip(wanted.tolist(), names, strict=True)
    return ", ".join(f"not {name}" if sign < 0 else name for sign, name in said if sign)
