"""Pictures for a person to look at: many faces, and each attribute absent and present; not the data set."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw

from data_prep.attributes import ATTRIBUTES
from data_prep.drawn_faces.face import draw_face
from data_prep.drawn_faces.population import COLUMN, HAIR_COLOURS, draw_population

SHAVEN = frozenset({"Goatee", "Mustache", "Sideburns", "No_Beard"})
OF_MEN = SHAVEN | {"5_o_Clock_Shadow", "Bald", "Gray_Hair", "Receding_Hairline", "Wearing_Necktie"}
LABEL_HEIGHT = 14


def pair(attribute: str) -> tuple[Bool[np.ndarray, " attribute"], Bool[np.ndarray, " attribute"]]:
    """Attributes of a plain young face without and with one attribute, everything else equal.

    A woman, or a man where the attribute is a man's; with a named hair colour unless that is the attribute.
    """
    without = np.zeros(len(ATTRIBUTES), dtype=bool)
    without[[COLUMN["Young"], COLUMN["No_Beard"]]] = True
    without[COLUMN["Brown_Hair"]] = attribute not in HAIR_COLOURS
    without[COLUMN["Male"]] = attribute in OF_MEN
    if attribute in SHAVEN:
        without[COLUMN["No_Beard"]] = False
    without[COLUMN[attribute]] = False
    present = without.copy()
    present[COLUMN[attribute]] = True
    return without, present


def contact_sheet(size: int, seed: int, difficulty: float, side: int = 8) -> Image.Image:
    """Draw `side` x `side` faces of a small population, pictures of one person next to each other."""
    person, present = draw_population(max(3 * side * side, 40), seed)
    sheet = Image.new("RGB", (side * size, side * size))
    for place, number in enumerate(np.argsort(person, kind="stable")[: side * side].tolist()):
        face = draw_face(present[number], int(person[number]), number, size, seed, difficulty)
        sheet.paste(Image.fromarray(face), (place % side * size, place // side * size))
    return sheet


def attribute_sheet(size: int, seed: int, difficulty: float, across: int = 8) -> Image.Image:
    """Draw each attribute's pair, without on the left and with on the right, under its name."""
    down = -(-len(ATTRIBUTES) // across)
    sheet = Image.new("RGB", (across * (2 * size + 4), down * (size + LABEL_HEIGHT)), "white")
    label = ImageDraw.Draw(sheet)
    for place, name in enumerate(ATTRIBUTES):
        left, top = place % across * (2 * size + 4), place // across * (size + LABEL_HEIGHT)
        label.text((left + 1, top + 1), name, fill="black")
        for step, present in enumerate(pair(name)):
            face = draw_face(present, 7, place, size, seed, difficulty)
            sheet.paste(Image.fromarray(face), (left + step * size, top + LABEL_HEIGHT))
    return sheet
