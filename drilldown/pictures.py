"""Pictures of sessions, like the paper's figure 4: which state took each query and where each state looks."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from datasets import Dataset
from PIL import Image, ImageDraw

from drilldown.drill_down import DrillDown, DrillDownState
from drilldown.retriever import texts_of
from multiturn.pictures import to_rgb
from multiturn.regions import Regions
from multiturn.report.picks import pick_sessions
from multiturn.report.sheet import FOUND, GAP, INK, QUIET, save_png, write
from multiturn.session import Session, play
from multiturn.trial import Outcome, Trial

__all__ = ["pick_sessions", "session_picture", "text_colour", "walk"]

TITLE = "Sessions: the state that each query was written to, and the regions of the target each state looks at most"
LOOKED_AT = 3  # papers/drill-down.txt, figure 4: the top 3 regions
# Okabe and Ito's colours, which colour-blind readers tell apart; a state's number stands beside its colour.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442")
ACROSS = 192  # pixels across a target
HEAD = 26  # height of a session's title, and of the names of its states
LINE = 19  # height of a line of text
WRAP = 54  # letters a line of a query
SAID = 470  # width of the column of queries
BOX = 3  # width of a box's line


@dataclass(frozen=True)
class Walk:
    """What happened in one session.

    Attributes:
        target: id of the image.
        queries: in the order of turns.
        slots: the state that took each query, counted from 0.
        ranks: of the target after each query.
        looks: of each state that is filled at the end, the boxes of the target's regions that are most similar to it,
            the most similar first: left, top, right, bottom as shares of width and height.
    """

    target: str
    queries: tuple[str, ...]
    slots: tuple[int, ...]
    ranks: tuple[float, ...]
    looks: tuple[tuple[tuple[float, ...], ...], ...]


@torch.no_grad()
def walk(trial: Trial, target: int, count: int = LOOKED_AT) -> Walk:
    """Play one session of a trial again.

    Args:
        trial: of a `DrillDown`.
        target: position in the gallery.
        count: regions wanted of each state.
    Raises:
        ValueError: the retriever is no `DrillDown`, or the gallery has no boxes.
    """
    retriever, gallery = trial.retriever, trial.gallery
    if not isinstance(retriever, DrillDown):
        raise ValueError(f"{trial.name} has no state vectors to draw; give a trial of Drill-down")
    if gallery.boxes is None or gallery.mask is None:
        raise ValueError(f"the gallery ({gallery.source}) has no boxes to draw; encode its regions with boxes")
    place = torch.tensor([target], device=gallery.vectors.device)
    session = Session(retriever, gallery, place, trial.page_size, None, trial.seen, None, place)
    turns = list(play(session, trial.user, place, trial.turns))
    state = turns[-1].state
    assert isinstance(state, DrillDownState)
    regions = retriever.projection.pictures(Regions(gallery.vectors[place], None, gallery.mask[place]))
    vectors = torch.nn.functional.normalize(state.states.vectors[0, : state.states.filled], dim=-1)
    cosines = (vectors @ regions.regions[0].T).masked_fill(~regions.mask, -torch.inf)
    nearest = cosines.topk(min(count, int(regions.mask.sum())), dim=1).indices
    boxes = gallery.boxes[target][nearest].tolist()
    return Walk(
        gallery.ids[target],
        tuple(texts_of(turn.reply, 1)[0] for turn in turns if turn.reply is not None),
        tuple(state.states.slots[0].tolist()),
        tuple(float(turn.ranks.under("expected")[0]) for turn in turns[1:] if turn.ranks is not None),
        tuple(tuple(tuple(box) for box in rows) for rows in boxes),
    )


def session_picture(
    outcome: Outcome, images: Dataset, sessions: Mapping[str, int] | Sequence[int], path: Path
) -> list[Walk]:
    """Draw sessions, one below the other, as a PNG file, all or nothing.

    Left the queries, each with the number and the colour of the state that took it and the target's rank after it;
    right the target once for every state, with the regions that are most similar to the state at the end.

    Args:
        outcome: of a trial of a `DrillDown` over a gallery with boxes.
        images: with the columns `id` and `image`; ids are those of the gallery.
        sessions: rows of the outcome, under a title each if it is a mapping (see `pick_sessions`).
        path: file to write.
    Returns:
        what was drawn, as text and numbers.
    Raises:
        ValueError: no session, no such session, an image that is not there (its id is named), or no boxes.
    Source:
        papers/drill-down.txt, figure 4; ranks are added, and every state has a picture of its own.
    """
    titles = sessions if isinstance(sessions, Mapping) else {f"session {row}": row for row in sessions}
    targets = outcome.trial.targets.tolist()
    outside = [row for row in titles.values() if not 0 <= row < len(targets)]
    if outside or not titles:
        raise ValueError(f"sessions are rows 0..{len(targets) - 1} of the outcome, not {outside or 'none'}")
    walks = [walk(outcome.trial, targets[row]) for row in titles.values()]
    places = {name: row for row, name in enumerate(images["id"])}
    blocks = [
        _block(f"{title}: {one.target}", one, _target(images, places, one.target))
        for title, one in zip(titles, walks, strict=True)
    ]
    width = max(block.width for block in blocks)
    sheet = Image.new("RGB", (width, sum(block.height for block in blocks) + GAP * (len(blocks) + 1)), "white")
    top = GAP
    for block in blocks:
        sheet.paste(block, (0, top))
        top += block.height + GAP
    save_png(sheet, path, TITLE)
    return walks


def _target(images: Dataset, places: Mapping[str, int], name: str) -> Image.Image:
    image = images[places[name]]["image"] if name in places else None
    if image is None:
        raise ValueError(f"no image of {name!r} among the {len(places)} images given; give those of the gallery")
    image = to_rgb(image)
    return image.resize((ACROSS, max(1, round(ACROSS * image.height / image.width))), Image.Resampling.LANCZOS)


def _block(title: str, one: Walk, image: Image.Image) -> Image.Image:
    """One session: its queries on the left, its states on the right."""
    said = [textwrap.wrap(query, WRAP) for query in one.queries]
    lines = sum(map(len, said))
    height = 2 * HEAD + max(image.height, lines * LINE + len(said) * 6)
    block = Image.new("RGB", (SAID + len(one.looks) * (ACROSS + GAP) + GAP, height), "white")
    pen = ImageDraw.Draw(block)
    write(pen, GAP, HEAD // 2, title, INK, 15, "lm")
    for x, name in ((GAP, "turn"), (GAP + 44, "state"), (GAP + 84, "query")):
        write(pen, x, HEAD + HEAD // 2, name, QUIET, 12, "lm")
    write(pen, SAID - 2 * GAP, HEAD + HEAD // 2, "rank", QUIET, 12, "rm")
    top = 2 * HEAD
    for turn, (slot, rank, text) in enumerate(zip(one.slots, one.ranks, said, strict=True), start=1):
        middle = top + LINE // 2
        write(pen, GAP + 12, middle, str(turn), QUIET, 13, "mm")
        _state(pen, GAP + 54, middle, slot)
        for number, line in enumerate(text):
            write(pen, GAP + 84, middle + number * LINE, line, INK, 13, "lm")
        colour = FOUND if rank == 1 else QUIET
        write(pen, SAID - 2 * GAP, middle, f"{rank:,.{0 if rank.is_integer() else 1}f}", colour, 13, "rm")
        top += len(text) * LINE + 6
    for slot, boxes in enumerate(one.looks):
        left = SAID + slot * (ACROSS + GAP)
        _state(pen, left + 10, HEAD + HEAD // 2, slot)
        taken = [str(turn) for turn, other in enumerate(one.slots, start=1) if other == slot]
        write(pen, left + 28, HEAD + HEAD // 2, f"turn{'s' * (len(taken) > 1)} {', '.join(taken)}", QUIET, 12, "lm")
        block.paste(_looked_at(image, boxes, COLOURS[slot % len(COLOURS)]), (left, 2 * HEAD))
    return block


def _looked_at(image: Image.Image, boxes: Sequence[Sequence[float]], colour: str) -> Image.Image:
    """The image with boxes, the first drawn last and numbered 1."""
    drawn = image.copy()
    pen = ImageDraw.Draw(drawn)
    for number, (left, top, right, bottom) in reversed(list(enumerate(boxes, start=1))):
        corner = round(left * image.width), round(top * image.height)
        end = max(corner[0], round(right * image.width) - 1), max(corner[1], round(bottom * image.height) - 1)
        pen.rectangle((*corner, *end), None, colour, BOX)
        pen.rectangle((*corner, corner[0] + 12, corner[1] + 14), colour)
        write(pen, corner[0] + 6, corner[1] + 7, str(number), text_colour(colour), 11, "mm")
    return drawn


def _state(pen: ImageDraw.ImageDraw, x: int, y: int, slot: int) -> None:
    """The number of a state, counted from 1, on its colour."""
    colour = COLOURS[slot % len(COLOURS)]
    pen.rounded_rectangle((x - 10, y - 9, x + 10, y + 9), 4, colour)
    write(pen, x, y, str(slot + 1), text_colour(colour), 13, "mm")


def text_colour(colour: str) -> str:
    """Black or white, whichever is read better on a colour."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 150 else "black"
