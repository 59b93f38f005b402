"""What the captions promise: each is true of its picture, one never tells the picture, ten nearly always do.

The reader below knows the words but not the grammar that made the captions: it takes a text apart by itself, with its
own rules of place and relation, and asks every picture of a gallery whether it holds there.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import numpy as np
import pytest

from data_prep.drawn_scenes.captions import write_captions
from data_prep.drawn_scenes.scene import FAMILY, MOST, plan_scene
from data_prep.drawn_scenes.words import COLOURS, KINDS, PATTERNS, SIZES

SIDE, PICTURES = 96, 400
NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5}
IRREGULAR = {"fish": "fish", "boxes": "box", "butterflies": "butterfly"}
KIND_OF = {name: kind for kind, entry in KINDS.items() for name in entry.names}
LOOK_OF = {w: ("colour", key) for key, words in COLOURS.items() for w in words}
LOOK_OF |= {w: ("size", key) for key, words in SIZES.items() for w in words}
LOOK_OF |= {w: ("pattern", key) for key, both in PATTERNS.items() for words in both for w in words}
BEYOND = {
    "left": "(?:to the left of|left of|on the left side of)",
    "right": "(?:to the right of|right of|on the right side of)",
    "above": "(?:above|over|higher than)",
    "below": "(?:below|under|beneath|lower than)",
    "near": "(?:near|next to|beside|close to)",
    "bigger": "(?:bigger|larger) than",
    "smaller": "smaller than",
}
STANDS = [  # words, then the places where they can be said, and the surface that is meant
    (r"(?:near the shore|at the edge of the water|close to the shoreline)", "shore"),
    (r"(?:high )?in the sky", "sky"),
    (r"(?:up in the air|in the air|flying|hovering)", "air"),
    (r"(?:in|on) the (?:grass|meadow|green field)|on the bank of the lake", "grass"),
    (r"(?:in the sea|in the ocean|among the waves)", "sea"),
    (r"in the (?:lake|water)", "lake"),
    (r"on the (?:sand|beach)", "sand"),
    (r"(?:on the dunes|in the desert|in the dry desert sand)", "dunes"),
    (r"(?:in|on) the (?:snow|snowy ground)", "snow"),
    (r"on the (?:pavement|sidewalk)", "pavement"),
    (r"(?:on the road|in the street)", "road"),
    (r"on the (?:floor|wooden floor|floorboards)", "floor"),
    (r"on the (?:table|tablecloth|kitchen table)", "table"),
]
PARTS = [
    (r"(?:in|at|on) the (?:top|upper) left(?: corner)?", ("left", "top")),
    (r"(?:in|at|on) the (?:top|upper) right(?: corner)?", ("right", "top")),
    (r"(?:in|at|on) the (?:bottom|lower) left(?: corner)?", ("left", "bottom")),
    (r"(?:in|at|on) the (?:bottom|lower) right(?: corner)?", ("right", "bottom")),
    (r"on the left(?: side)?", ("left", "")),
    (r"on the right(?: side)?", ("right", "")),
    (r"(?:at the top|in the upper part)", ("", "top")),
    (r"(?:at the bottom|in the lower part)", ("", "bottom")),
    (r"in the (?:middle|centre)", ("middle", "middle")),
]
VIEWS = [  # what no object is in: words that give the setting away
    (r"clear|bright blue|cloudless", lambda s: s.backdrop == "clear"),
    (r"white clouds|few clouds|blue sky with clouds", lambda s: s.backdrop == "cloudy"),
    (r"dusk|sunset|evening", lambda s: s.backdrop == "sunset"),
    (r"star", lambda s: s.backdrop == "night"),
    (r"dark sky with clouds|grey clouds|storm", lambda s: s.backdrop == "stormy"),
    (r"\bsun\b", lambda s: s.light == "sun"),
    (r"moon", lambda s: s.light == "moon"),
    (r"window", lambda s: s.light == "window"),
    (r"cream|mint|lilac|peach|slate", None),  # the wall says its own name
    (r"lake", lambda s: s.place == "lake"),
    (r"beach|sea", lambda s: s.place == "beach"),
    (r"grass", lambda s: s.place == "meadow"),
    (r"dune|desert", lambda s: s.place == "desert"),
    (r"snow", lambda s: s.place == "snow"),
    (r"road|street|pavement", lambda s: s.place == "street"),
    (r"floor", lambda s: s.place == "room"),
    (r"table", lambda s: s.place == "kitchen"),
]


class Pictures:
    """All scenes as arrays [picture, object], and every caption's truth over them."""

    def __init__(self, scenes):
        self.scenes = scenes
        columns = ("kind", "colour", "size", "pattern", "surface")
        self.told = {name: np.full((len(scenes), MOST), "?", dtype="U12") for name in columns}
        box = np.full((len(scenes), MOST, 4), np.nan)
        for row, scene in enumerate(scenes):
            for name in columns:
                self.told[name][row, : len(scene.things)] = [getattr(thing, name) for thing in scene.things]
            box[row, : len(scene.things)] = [thing.box for thing in scene.things]
        self.x, self.y = box[..., 0] + box[..., 2] / 2, box[..., 1] + box[..., 3] / 2
        self.bottom, self.start, self.end = box[..., 1] + box[..., 3], box[..., :2], box[..., :2] + box[..., 2:]
        self.edge = np.array([scene.edges[:2] for scene in scenes])
        self.wet = np.array([scene.place in ("beach", "lake") for scene in scenes])
        self.inside = np.array([scene.place in ("room", "kitchen") for scene in scenes])
        size = np.select([self.told["size"] == key for key in ("small", "medium", "large")], [1.0, 2.0, 3.0], np.nan)
        right, down = self.x[:, None] - self.x[..., None], self.y[:, None] - self.y[..., None]
        gap = np.maximum(self.start[:, None], self.start[:, :, None]) - np.minimum(
            self.end[:, None], self.end[:, :, None]
        )
        far, flat, steep = 0.12 * SIDE, abs(down) <= 0.7 * abs(right), abs(right) <= 0.7 * abs(down)
        self.pairs = {
            "left": (right >= far) & flat,
            "right": (-right >= far) & flat,
            "above": (down >= far) & steep,
            "below": (-down >= far) & steep,
            "near": gap.max(axis=-1) <= 0.06 * SIDE,
            "bigger": size[..., None] > size[:, None],
            "smaller": size[..., None] < size[:, None],
        }
        for held in self.pairs.values():
            held &= ~np.eye(MOST, dtype=bool)

    def things(self, phrase):
        """Which objects a noun phrase fits; raises KeyError for a word that the reader does not know."""
        words = re.sub(r"^(?:there is |there are )?(?:the |an |a |one |another )?", "", phrase)
        words = words.replace(" with no pattern", " plain").replace(" with ", " ").split()
        fits = self.told["kind"] != "?"
        for w in words:
            kind = KIND_OF.get(w) or KIND_OF.get(IRREGULAR.get(w, w.removesuffix("s")))
            column, value = ("kind", kind) if kind else LOOK_OF[w]
            fits &= self.told[column] == value
        assert len(words) > 0 and sum(w in KIND_OF or IRREGULAR.get(w, w[:-1]) in KIND_OF for w in words) == 1, phrase
        return fits

    def standing(self, surface):
        flying = self.told["surface"] == ""
        if surface == "air":
            return flying
        if surface == "sky":
            return flying & ~self.inside[:, None] & (self.y < self.edge[:, :1])
        if surface == "shore":
            return ~flying & self.wet[:, None] & (abs(self.bottom - self.edge[:, 1:]) <= 0.07 * SIDE)
        return self.told["surface"] == surface

    def within(self, part):
        across, down = part
        held = np.isfinite(self.x)
        for value, where in ((self.x / SIDE, across), (self.y / SIDE, down)):
            if where:
                held = held & (
                    (value <= 0.35) if where in ("left", "top")
                    else abs(value - 0.5) <= 0.1 if where == "middle"
                    else value >= 0.65
                )  # fmt: skip
        return held

    def located(self, phrase):
        """Which objects a noun phrase with a place after it, or none, fits."""
        for pattern, surface in STANDS:
            if match := re.fullmatch(rf"(.+?) {pattern}" if "|" not in pattern else rf"(.+?) (?:{pattern})", phrase):
                return self.things(match[1]) & self.standing(surface)
        for pattern, part in PARTS:
            if match := re.fullmatch(rf"(.+?)(?: is)? {pattern}", phrase):
                return self.things(match[1]) & self.within(part)
        return self.things(phrase)

    @cache  # noqa: B019 - the pictures live as long as the tests
    def where(self, text):
        """Which pictures a caption is true of."""
        words = set(text.split())
        if not words & (set(KIND_OF) | {name + "s" for name in KIND_OF} | set(IRREGULAR)):
            holds = next(holds for pattern, holds in VIEWS if re.search(pattern, text))
            return np.array([holds(s) if holds else s.backdrop in words for s in self.scenes])
        if match := re.fullmatch(r"one (?:of the two )?(\S+) is (\S+) and the other is (\S+)", text):
            both = [self.things(f"{look} {match[1]}") for look in (match[2], match[3])]
            return np.all([fits.sum(axis=1) == 1 for fits in both], axis=0) & (self.things(match[1]).sum(axis=1) == 2)
        if match := re.fullmatch(r"(?:there are )?(two|three|four|five) (.+)", text):
            return self.located(match[2]).sum(axis=1) == NUMBERS[match[1]]
        for how, pattern in BEYOND.items():
            if (match := re.fullmatch(rf"(.+?)(?: is)? {pattern} ((?:the|an|a|one|another) .+)", text)) and (
                set(match[2].split()) & set(KIND_OF)
            ):
                first, second = self.things(match[1]), self.things(match[2])
                return (self.pairs[how] & first[:, :, None] & second[:, None]).any(axis=(1, 2))
        if match := re.fullmatch(r"(.+) has (.+)", text):
            text = f"{match[1]} is {match[2].replace('no pattern', 'plain')}"
        if (match := re.fullmatch(r"(.+) is (\S+(?: and \S+)*)", text)) and match[2].split()[0] in LOOK_OF:
            fits = self.located(match[1])
            for look in match[2].split(" and "):
                column, value = LOOK_OF[look]
                fits = fits & (self.told[column] == value)
            return fits.any(axis=1)
        return self.located(text).any(axis=1)


@pytest.fixture(scope="module")
def pictures():
    return Pictures([plan_scene(0, number, SIDE) for number in range(PICTURES)])


@pytest.fixture(scope="module")
def captions(pictures):
    return [write_captions(scene, 0, number, 10) for number, scene in enumerate(pictures.scenes)]


@pytest.fixture(scope="module")
def left(pictures, captions):
    """How many pictures satisfy the first k captions of each picture: [picture, k]."""
    held = np.array([[pictures.where(caption.text) for caption in row] for row in captions])
    return np.logical_and.accumulate(held, axis=1).sum(axis=2)


def test_every_caption_is_true_of_its_picture(pictures, captions):
    false = [
        (number, caption.text)
        for number, row in enumerate(captions)
        for caption in row
        if not pictures.where(caption.text)[number]
    ]
    assert false == []


def test_the_reader_does_not_call_everything_true(pictures, captions):
    shares = [pictures.where(caption.text).mean() for row in captions[:40] for caption in row]
    assert np.mean(shares) < 0.15


def test_a_first_caption_hardly_ever_tells_the_picture(left):
    assert (left[:, 0] == 1).mean() < 0.05
    assert np.median(left[:, 0]) > 8


def test_ten_captions_nearly_always_tell_the_picture(left):
    assert (left[:, 9] == 1).mean() > 0.97


def test_each_caption_leaves_fewer_pictures(left):
    assert (np.diff(left.mean(axis=0)[:6]) < 0).all()


def test_the_family_is_what_remains_to_be_told_apart(pictures, captions):
    held = np.array([[pictures.where(caption.text) for caption in row[:3]] for row in captions]).all(axis=1)
    family = np.arange(PICTURES) // FAMILY
    relatives = (family[:, None] == family) & ~np.eye(PICTURES, dtype=bool)
    assert held[relatives].mean() > 5 * held[family[:, None] != family].mean()


def test_words_are_a_few_hundred_and_many_are_rare(captions):
    words = Counter(w for row in captions for caption in row for w in caption.text.split())
    assert 200 < len(words) < 500
    assert sum(count <= 10 for count in words.values()) > 0.2 * len(words)
