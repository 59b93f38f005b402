"""What can be in a scene and the words for it: kinds, colours, sizes, patterns, places; no grammar and no drawing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of object.

    Attributes:
        names: in the singular, the usual one first; the others are its synonyms.
        aspect: width of the drawing divided by its height.
        share: how often the kind occurs, next to the other kinds.
        flies: whether it is drawn in the air, not standing on something.
        floats: whether it is put on water where there is water.
    """

    names: tuple[str, ...]
    aspect: float
    share: float = 1.0
    flies: bool = False
    floats: bool = False


KINDS: dict[str, Kind] = {
    kind.names[0]: kind
    for kind in (
        Kind(("ball", "sphere"), 1.0, 2.4),
        Kind(("house", "cottage", "hut"), 1.05, 2.2),
        Kind(("tree",), 0.8, 2.2),
        Kind(("car", "automobile"), 1.7, 2.0),
        Kind(("boat", "sailboat", "ship"), 1.0, 1.8, floats=True),
        Kind(("flower", "blossom"), 0.7, 1.6),
        Kind(("box", "crate"), 1.0, 1.6),
        Kind(("umbrella", "parasol"), 1.05, 1.4),
        Kind(("chair", "seat"), 0.75, 1.4),
        Kind(("cup", "mug"), 1.1, 1.2),
        Kind(("tent",), 1.3, 1.1),
        Kind(("flag", "banner"), 1.0, 1.0),
        Kind(("fish",), 1.6, 1.0, floats=True),
        Kind(("mushroom", "toadstool"), 1.0, 0.8),
        Kind(("bucket", "pail"), 0.9, 0.8),
        Kind(("hat",), 1.25, 0.8),
        Kind(("lamp", "lantern"), 0.7, 0.7),
        Kind(("drum",), 1.0, 0.6),
        Kind(("vase", "urn"), 0.75, 0.6),
        Kind(("snail",), 1.35, 0.5),
        Kind(("teapot",), 1.35, 0.4),
        Kind(("bottle", "flask"), 0.5, 0.4),
        Kind(("balloon",), 0.65, 2.0, flies=True),
        Kind(("kite",), 0.75, 1.8, flies=True),
        Kind(("bird",), 1.35, 1.4, flies=True),
        Kind(("plane", "aeroplane", "airplane"), 1.7, 1.2, flies=True),
        Kind(("butterfly",), 1.2, 1.0, flies=True),
        Kind(("rocket", "spaceship"), 0.6, 0.6, flies=True),
    )
}
IRREGULAR_PLURALS = {"box": "boxes", "butterfly": "butterflies", "fish": "fish"}

# The first word is the usual one; synonyms say the same and are rarer, the last the rarest.
COLOURS: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson", "scarlet", "ruby"),
    "blue": ("blue", "azure", "cobalt", "sapphire"),
    "yellow": ("yellow", "golden", "lemon", "canary"),
    "green": ("green", "emerald", "jade"),
    "white": ("white", "ivory", "snow-white"),
    "orange": ("orange", "tangerine"),
    "purple": ("purple", "violet", "mauve"),
    "pink": ("pink", "rose"),
    "black": ("black", "ebony", "jet-black"),
    "brown": ("brown", "chestnut", "umber"),
    "grey": ("grey", "gray", "silver"),
    "turquoise": ("turquoise", "teal", "aqua"),
}
COLOUR_SHARES = (2.4, 2.2, 2.0, 1.8, 1.4, 1.4, 1.3, 1.2, 1.0, 0.9, 0.7, 0.6)
INKS: dict[str, tuple[float, float, float]] = {
    "red": (0.85, 0.12, 0.13),
    "blue": (0.13, 0.32, 0.82),
    "yellow": (0.97, 0.86, 0.16),
    "green": (0.12, 0.58, 0.22),
    "white": (0.96, 0.96, 0.95),
    "orange": (0.97, 0.53, 0.08),
    "purple": (0.50, 0.17, 0.66),
    "pink": (0.97, 0.60, 0.74),
    "black": (0.10, 0.10, 0.11),
    "brown": (0.46, 0.27, 0.13),
    "grey": (0.55, 0.56, 0.58),
    "turquoise": (0.15, 0.76, 0.74),
}

SIZES: dict[str, tuple[str, ...]] = {
    "small": ("small", "little", "tiny", "miniature", "minuscule"),
    "medium": ("medium-sized", "mid-sized"),
    "large": ("large", "big", "huge", "giant", "enormous"),
}
# Longest side of an object as a share of the picture's side; the gaps keep the words true to the eye.
EXTENTS: dict[str, tuple[float, float]] = {"small": (0.13, 0.155), "medium": (0.19, 0.22), "large": (0.275, 0.32)}

# Adjectives, then what can follow the noun after "with" or "has".
PATTERNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "plain": (("plain", "solid", "unpatterned"), ("no pattern",)),
    "striped": (("striped", "stripy", "banded"), ("stripes", "bands")),
    "dotted": (("dotted", "spotted", "polka-dot"), ("dots", "spots")),
    "checked": (("checked", "chequered", "checkered"), ("checks", "squares")),
}

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}


def plural(name: str) -> str:
    """The plural of a kind's name.

    Example:
        >>> plural("butterfly"), plural("kite")
        ('butterflies', 'kites')
    """
    return IRREGULAR_PLURALS.get(name, name + "s")


@dataclass(frozen=True)
class Setting:
    """Where a scene plays.

    Attributes:
        bands: names of what lies behind the objects, from top to bottom; the first is the sky or a wall.
        horizon: range of the height at which the first band ends, as a share of the side from the top.
        depth: range of the second band's height where there is a third.
        on: what standing on each further band is called.
        views: phrases for each band below the first.
    """

    bands: tuple[str, ...]
    on: dict[str, tuple[str, ...]]
    views: dict[str, tuple[str, ...]]
    horizon: tuple[float, float] = (0.34, 0.44)
    depth: tuple[float, float] = (0.2, 0.28)


WATER = ("sea", "lake")
SETTINGS: dict[str, Setting] = {
    "meadow": Setting(
        ("sky", "grass"),
        {"grass": ("on the grass", "in the meadow", "in the grass", "on the green field")},
        {"grass": ("green grass", "a grassy meadow", "the grass is green", "a lush field of grass")},
    ),
    "beach": Setting(
        ("sky", "sea", "sand"),
        {"sea": ("in the sea", "in the ocean", "among the waves"), "sand": ("on the sand", "on the beach")},
        {
            "sea": ("the sea", "waves on the sea", "the ocean behind the beach"),
            "sand": ("a sandy beach", "sand on the beach", "the beach by the sea"),
        },
    ),
    "lake": Setting(
        ("sky", "lake", "grass"),
        {"lake": ("in the lake", "in the water"), "grass": ("on the grass", "on the bank of the lake")},
        {
            "lake": ("a calm lake", "the water of the lake", "a lake behind the grass"),
            "grass": ("green grass by the lake", "the grassy bank of the lake"),
        },
        depth=(0.18, 0.26),
    ),
    "desert": Setting(
        ("sky", "dunes"),
        {"dunes": ("on the dunes", "in the desert", "in the dry desert sand")},
        {"dunes": ("sand dunes", "a dry desert", "the dunes of a desert")},
    ),
    "snow": Setting(
        ("sky", "snow"),
        {"snow": ("in the snow", "on the snow", "on the snowy ground")},
        {"snow": ("snow on the ground", "a snowy field", "the ground is covered with snow")},
    ),
    "street": Setting(
        ("sky", "pavement", "road"),
        {"pavement": ("on the pavement", "on the sidewalk"), "road": ("on the road", "in the street")},
        {
            "pavement": ("a grey pavement", "the pavement beside the road", "a sidewalk along the street"),
            "road": ("an asphalt road", "white lines on the road", "a paved street"),
        },
        depth=(0.16, 0.22),
    ),
    "room": Setting(
        ("wall", "floor"),
        {"floor": ("on the floor", "on the wooden floor", "on the floorboards")},
        {"floor": ("a wooden floor", "the floor is made of wood", "brown floorboards")},
    ),
    "kitchen": Setting(
        ("wall", "table"),
        {"table": ("on the table", "on the tablecloth", "on the kitchen table")},
        {"table": ("a table with a cloth", "the kitchen table", "a tablecloth on the table")},
    ),
}

SKIES: dict[str, tuple[str, ...]] = {
    "clear": ("a clear blue sky", "bright blue sky", "cloudless sky", "the sky is blue and clear"),
    "cloudy": ("white clouds in a blue sky", "a few clouds in the sky", "blue sky with clouds", "fluffy white clouds"),
    "sunset": ("an orange sky at sunset", "the sky glows at dusk", "evening sky", "a red and yellow sunset"),
    "night": ("a dark sky with stars", "stars in the night sky", "the sky is dark and starry", "a starry night"),
    "stormy": ("dark sky with clouds", "grey clouds cover the sky", "a gloomy stormy sky", "a storm is coming"),
}
WALLS: dict[str, tuple[str, ...]] = {
    "cream": ("a cream wall", "the wall is cream", "a wall painted cream"),
    "mint": ("a mint wall", "the wall is mint", "a wall painted mint"),
    "lilac": ("a lilac wall", "the wall is lilac", "a wall painted lilac"),
    "peach": ("a peach wall", "the wall is peach", "peach wallpaper"),
    "slate": ("a slate wall", "the wall is slate", "slate wallpaper"),
}
LIGHTS: dict[str, tuple[str, ...]] = {
    "sun": ("the sun in the sky", "the sun is shining", "a round yellow sun", "bright sun"),
    "moon": ("the moon in the sky", "a pale moon", "moon at night", "the moon is out"),
    "window": ("a window in the wall", "a window with four panes", "the window of the room"),
    "none": (),
}
IN_THE_AIR = ("in the air", "flying", "up in the air", "hovering")
IN_THE_SKY = ("in the sky", "high in the sky")
NEAR_SHORE = ("near the shore", "at the edge of the water", "close to the shoreline")
RELATIONS: dict[str, tuple[str, ...]] = {
    "left": ("to the left of", "left of", "on the left side of"),
    "right": ("to the right of", "right of", "on the right side of"),
    "above": ("above", "over", "higher than"),
    "below": ("below", "under", "beneath", "lower than"),
    "near": ("near", "next to", "beside", "close to"),
    "bigger": ("bigger than", "larger than"),
    "smaller": ("smaller than",),
}
# By third of the picture from left to right and from top to bottom; '' for any.
PLACES: dict[tuple[str, str], tuple[str, ...]] = {
    ("left", ""): ("on the left", "on the left side"),
    ("right", ""): ("on the right", "on the right side"),
    ("", "top"): ("at the top", "in the upper part"),
    ("", "bottom"): ("at the bottom", "in the lower part"),
    ("middle", "middle"): ("in the middle", "in the centre"),
    ("left", "top"): ("in the top left corner", "in the upper left"),
    ("right", "top"): ("in the top right corner", "in the upper right"),
    ("left", "bottom"): ("in the bottom left corner", "in the lower left"),
    ("right", "bottom"): ("in the bottom right corner", "in the lower right"),
}
