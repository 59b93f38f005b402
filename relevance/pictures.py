"""A sheet of sessions: the degraded example, then what some turns showed, right and wrong ones framed."""

from pathlib import Path

from datasets import Dataset, Features, Value
from datasets import Image as ImageColumn
from jaxtyping import Int
from torch import Tensor

from multiturn.pictures import read_picture
from multiturn.report.sheet import FOUND, WRONG, Cell, SheetRow, write_sheet
from multiturn.trial import Outcome
from relevance.degraded import degrade
from relevance.settings import QuerySettings

TITLE = "Sessions: the degraded example, then pages; green frames are of its class, red ones are not"
SESSIONS = 4


def session_sheet(
    outcome: Outcome, labels: Int[Tensor, " candidate"], images: Dataset, queries: QuerySettings, path: Path
) -> None:
    """Draw the first, a middle and the last page of some sessions, spread evenly over the outcome.

    Args:
        labels: class of each candidate.
        images: of the gallery, with the columns `id` and `image`.
        queries: how examples were degraded.
        path: file to write.
    """
    trial, turns = outcome.trial, outcome.shown.shape[1]
    ids, places = trial.gallery.ids, {name: row for row, name in enumerate(images["id"])}
    sheet, pictures = [], {}

    def cell(place: int, target: int) -> Cell:
        name = ids[place]
        pictures.setdefault(name, read_picture(images[places[name]]["image"], name))
        return Cell(name, frame=FOUND if labels[place] == labels[target] else WRONG)

    step = max(1, len(trial.targets) // SESSIONS)
    for session in range(0, len(trial.targets), step)[:SESSIONS]:
        target = int(trial.targets[session])
        clean = read_picture(images[places[ids[target]]]["image"], ids[target])
        example = f"example {ids[target]}"
        pictures[example] = degrade(clean, ids[target], queries.degradation, queries.gamma, queries.seed)
        for turn in sorted({1, min(4, turns - 1), turns - 1}):
            shown = outcome.shown[session, turn].tolist()
            title = f"{ids[target]}: " if turn == 1 else ""
            cells = [Cell(example), *(cell(place, target) for place in shown)]
            sheet.append(SheetRow(f"{title}iteration {turn - 1}", cells))
    columns = Features(id=Value("string"), image=ImageColumn())
    rows = Dataset.from_dict({"id": list(pictures), "image": list(pictures.values())}, features=columns)
    write_sheet(sheet, rows, path, TITLE)
