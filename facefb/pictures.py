"""A picture of sessions, like the paper's figure 6: the target, then the face of each turn; no statistics."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from datasets import Dataset
from PIL import Image, ImageDraw

from data_prep.attributes import ATTRIBUTES
from multiturn.report.picks import pick_sessions
from multiturn.report.sheet import CELL, FOUND, GAP, INK, LINE, QUIET, Thumbnails, draw_frame, save_png, write
from multiturn.trial import Outcome

__all__ = ["pick_sessions", "picture_size", "session_picture"]

TITLE = "Sessions: the target, then the face shown in each turn; a frame marks the target found"
HEAD = 26  # height of the names of the columns
BELOW = 36  # height of the two lines under a face


def session_picture(outcome: Outcome, faces: Dataset, sessions: Mapping[str, int] | Sequence[int], path: Path) -> None:
    """Draw sessions, one a row, as a PNG file, all or nothing.

    Under each face: how many attributes it shares with the target, and the target's rank at that turn. Turn
    0 is the opening face; of a larger page the first face is drawn. A frame marks the target if shown.

    Args:
        outcome: with the measure `matching_attributes`.
        faces: with the columns `id` and `image`; ids are those of the outcome's gallery.
        sessions: rows of the outcome, under a title each if it is a mapping (see `pick_sessions`).
        path: file to write.
    Raises:
        ValueError: no session, no such session, or a face without an image (its id is named).
    Source:
        papers/facial-progressive-feedback.txt, figure 6; ranks and the opening face are added.
    """
    titles = sessions if isinstance(sessions, Mapping) else {f"session {row}": row for row in sessions}
    outside = [row for row in titles.values() if not 0 <= row < len(outcome.shown)]
    if outside or not titles:
        raise ValueError(f"sessions are rows 0..{len(outcome.shown) - 1} of the outcome, not {outside or 'none'}")
    shown = outcome.shown[:, :, 0]
    targets = outcome.trial.targets.cpu()
    rows = list(titles.values())
    ids = outcome.trial.gallery.ids
    images = Thumbnails(
        faces, (ids[place] for place in torch.cat([shown[rows].flatten(), targets[rows]]).unique().tolist())
    )
    turns = shown.shape[1]
    sheet = Image.new("RGB", picture_size(len(rows), turns, images.height), "white")
    pen = ImageDraw.Draw(sheet)
    for column, name in enumerate(["target", "opening", *(f"turn {turn}" for turn in range(1, turns))]):
        write(pen, _left(column) + CELL // 2, GAP + HEAD // 2, name, INK, 15, "mm")
    for number, (title, session) in enumerate(titles.items()):
        top = GAP + HEAD + number * (LINE + images.height + BELOW + GAP)
        target = int(targets[session])
        write(pen, GAP, top + LINE // 2, f"{title}: {ids[target]}", QUIET, 13, "lm")
        sheet.paste(images[ids[target]], (_left(0), top + LINE))
        for turn in range(turns):
            place = int(shown[session, turn])
            left = _left(turn + 1)
            sheet.paste(images[ids[place]], (left, top + LINE))
            _caption(pen, outcome, session, turn, left, top + LINE + images.height)
            if place == target:
                draw_frame(pen, left, top + LINE, images.height, FOUND)
    save_png(sheet, path, TITLE)


def picture_size(rows: int, turns: int, height: int) -> tuple[int, int]:
    """Width and height in pixels of a picture; `turns` counts turn 0, `height` is that of a face."""
    return _left(turns + 1), GAP + HEAD + rows * (LINE + height + BELOW + GAP)


def _left(column: int) -> int:
    """Where a column begins; the target stands a little apart."""
    return GAP + column * (CELL + GAP) + (2 * GAP if column else 0)


def _caption(pen: ImageDraw.ImageDraw, outcome: Outcome, session: int, turn: int, left: int, top: int) -> None:
    matching = int(outcome.measures["matching_attributes"][session, turn])
    rank = float(outcome.ranks.under("expected")[session, turn])
    write(pen, left + CELL // 2, top + 13, f"{matching}/{len(ATTRIBUTES)} match", INK, 13, "mm")
    write(
        pen,
        left + CELL // 2,
        top + 29,
        f"target's rank {rank:,.{0 if rank.is_integer() else 1}f}",
        QUIET,
        12,
        "mm",
    )
