"""Phrases for one object: its noun with adjectives, where it is, what surrounds it; no whole captions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data_prep.drawn_scenes.relations import SHORE, place
from data_prep.drawn_scenes.scene import Scene, Thing
from data_prep.drawn_scenes.words import (
    COLOURS,
    IN_THE_AIR,
    IN_THE_SKY,
    KINDS,
    NEAR_SHORE,
    PATTERNS,
    PLACES,
    SETTINGS,
    SIZES,
    WATER,
    plural,
)

USUAL = 0.68  # how often a word is said and not one of the synonyms after it
Facts = tuple[str, ...]  # of "colour", "size", "pattern"


def word(choices: Sequence[str], rng: np.random.Generator) -> str:
    """The usual word, which comes first, or one of its synonyms, the later the rarer."""
    return choices[min(int(rng.geometric(USUAL)), len(choices)) - 1]


def any_of(choices: Sequence[str], rng: np.random.Generator) -> str:
    """One of some phrases that are equally usual."""
    return choices[int(rng.integers(len(choices)))]


def chance(share: float, rng: np.random.Generator) -> bool:
    """True in this share of cases."""
    return bool(rng.random() < share)


def some_facts(thing: Thing, most: int, rng: np.random.Generator) -> Facts:
    """Choose what to say of a thing's look; colours most often, plain patterns and medium sizes seldom."""
    weight = {
        "colour": 1.0,
        "size": 0.12 if thing.size == "medium" else 0.7,
        "pattern": 0.2 if thing.pattern == "plain" else 0.8,
    }
    total = sum(weight.values())
    chosen = rng.choice(list(weight), size=most, replace=False, p=[w / total for w in weight.values()])
    return tuple(sorted(str(fact) for fact in chosen))


def alike(scene: Scene, thing: Thing, facts: Facts) -> list[Thing]:
    """All things of the scene with the kind and the chosen facts of this one, itself included."""
    return [
        other
        for other in scene.things
        if other.kind == thing.kind and all(getattr(other, fact) == getattr(thing, fact) for fact in facts)
    ]


def noun(thing: Thing, facts: Facts, rng: np.random.Generator, many: bool = False) -> str:
    """Adjectives, noun, and sometimes "with stripes" after it; no article.

    Args:
        many: in the plural.
    """
    after = "pattern" in facts and chance(0.3, rng)
    adjectives = [word(COLOURS[thing.colour], rng)] if "colour" in facts else []
    if "pattern" in facts and not after:
        adjectives.insert(int(rng.integers(len(adjectives) + 1)), word(PATTERNS[thing.pattern][0], rng))
    if "size" in facts:
        adjectives.insert(0, word(SIZES[thing.size], rng))
    name = word(KINDS[thing.kind].names, rng)
    tail = ["with", word(PATTERNS[thing.pattern][1], rng)] if after else []
    return " ".join([*adjectives, plural(name) if many else name, *tail])


def with_article(scene: Scene, thing: Thing, facts: Facts, rng: np.random.Generator) -> str:
    """The noun phrase of one thing: "the" where it is the only such thing, else mostly "a" or "one"."""
    words = noun(thing, facts, rng)
    if len(alike(scene, thing, facts)) == 1:
        return f"the {words}" if chance(0.7, rng) else indefinite(words)
    roll = rng.random()
    if roll < 0.2:
        return f"one {words}"
    return f"the {words}" if roll < 0.35 else indefinite(words)


def indefinite(words: str) -> str:
    """Put "a" or "an" before a noun phrase.

    Example:
        >>> indefinite("orange urn"), indefinite("boat")
        ('an orange urn', 'a boat')
    """
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def describe(thing: Thing, facts: Facts, rng: np.random.Generator) -> str:
    """What follows the noun: "is small and red", "is striped", "has stripes"."""
    if facts == ("pattern",) and chance(0.4, rng):
        return f"has {word(PATTERNS[thing.pattern][1], rng)}"
    said = {"colour": COLOURS[thing.colour], "size": SIZES[thing.size], "pattern": PATTERNS[thing.pattern][0]}
    order = [fact for fact in ("size", "colour", "pattern") if fact in facts]
    return "is " + " and ".join(word(said[fact], rng) for fact in order)


def where_it_stands(scene: Scene, thing: Thing, rng: np.random.Generator) -> tuple[str, str]:
    """What a thing stands on, or that it is in the air: the meaning, and words for it."""
    if near_shore(scene, thing) and chance(0.6, rng):
        return "shore", any_of(NEAR_SHORE, rng)
    if thing.surface:
        return thing.surface, any_of(SETTINGS[scene.place].on[thing.surface], rng)
    if in_sky(scene, thing) and chance(0.6, rng):
        return "sky", any_of(IN_THE_SKY, rng)
    return "air", any_of(IN_THE_AIR, rng)


def stands(scene: Scene, thing: Thing, where: str) -> bool:
    """Whether a meaning of `where_it_stands` holds for a thing."""
    if where == "shore":
        return near_shore(scene, thing)
    return in_sky(scene, thing) if where == "sky" else thing.surface == ("" if where == "air" else where)


def in_sky(scene: Scene, thing: Thing) -> bool:
    """Whether a flying thing is seen against the sky."""
    outside = SETTINGS[scene.place].bands[0] == "sky"
    return outside and thing.surface == "" and thing.box.middle[1] < scene.edges[0]


def near_shore(scene: Scene, thing: Thing) -> bool:
    """Whether a thing stands or swims near the water's edge."""
    bands, bottom = SETTINGS[scene.place].bands, thing.box.y + thing.box.height
    return bands[1] in WATER and thing.surface != "" and abs(bottom - scene.edges[1]) <= SHORE * scene.side


def where_it_is(scene: Scene, thing: Thing, rng: np.random.Generator) -> tuple[tuple[str, str], str] | None:
    """The part of the picture that a thing is in, and words for it; None where there is no plain word."""
    across, down = place(thing.box, scene.side)
    true = [key for key in PLACES if all(part in ("", held) for part, held in zip(key, (across, down), strict=True))]
    if not true:
        return None
    key = true[int(rng.integers(len(true)))]
    return key, any_of(PLACES[key], rng)
