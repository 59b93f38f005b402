"""Region captions of a scene, each true of it: what is said of which region; not the words for single objects."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np

from data_prep.drawn_scenes.phrases import (
    alike,
    any_of,
    chance,
    describe,
    indefinite,
    noun,
    some_facts,
    stands,
    where_it_is,
    where_it_stands,
    with_article,
    word,
)
from data_prep.drawn_scenes.relations import Box, around, relations
from data_prep.drawn_scenes.scene import Scene, Thing
from data_prep.drawn_scenes.words import (
    COLOURS,
    EXTENTS,
    KINDS,
    LIGHTS,
    NUMBERS,
    PATTERNS,
    RELATIONS,
    SETTINGS,
    SIZES,
    SKIES,
    WALLS,
    plural,
)

CAPTION_STREAM = 3
MOST_VIEWS = 2  # captions of the setting in one picture
IDS_PER_PICTURE = 100


@dataclass(frozen=True)
class Caption:
    """What somebody may say of one region.

    Attributes:
        text: in lower case.
        box: of the region: of all things that it speaks of.
        names: usual names of the things that it speaks of, or of a part of the setting such as the sky.
        meaning: equal for two captions that say the same in other words.
    """

    text: str
    box: Box
    names: tuple[str, ...]
    meaning: Hashable


def write_captions(scene: Scene, seed: int, number: int, count: int) -> list[Caption]:
    """Write `count` captions of picture `number`, no two of one text or of one meaning."""
    rng = np.random.default_rng([seed, number, CAPTION_STREAM])
    forms, shares = list(FORMS), np.array(list(FORMS.values()))
    captions: list[Caption] = []
    said: set[Hashable] = set()
    order = rng.permutation(len(scene.things)).tolist()
    turn = views = 0
    while len(captions) < count:
        form = forms[int(rng.choice(len(forms), p=shares / shares.sum()))]
        if form is view and views == MOST_VIEWS:
            continue
        caption = form(scene, scene.things[order[turn % len(order)]], rng)
        if caption is None or {caption.text, caption.meaning} & said:
            continue
        said |= {caption.text, caption.meaning}
        captions.append(caption)
        views += form is view
        turn += form is not view
    return [captions[place] for place in rng.permutation(count)]


def look(scene: Scene, thing: Thing, rng: np.random.Generator) -> Caption:
    """Say "a small red ball", "striped kite in the air"."""
    facts = some_facts(thing, 1 if chance(0.55, rng) else 2, rng)
    text = noun(thing, facts, rng) if chance(0.25, rng) else with_article(scene, thing, facts, rng)
    if chance(0.06, rng) and text.startswith(("a ", "an ", "one ")):
        text = f"there is {text}"
    where = ""
    if chance(0.35 if len(facts) == 1 else 0.1, rng):
        where, words = where_it_stands(scene, thing, rng)
        text = f"{text} {words}"
    return Caption(text, thing.box, (thing.kind,), ("look", thing, facts, where))


def statement(scene: Scene, thing: Thing, rng: np.random.Generator) -> Caption:
    """Say "the ball is striped", "one red boat is small", "the kite has dots"."""
    facts = some_facts(thing, 2 if chance(0.55, rng) else 1, rng)
    if chance(0.5, rng):
        facts = facts[::-1]
    known, told = (facts[:1], facts[1:]) if len(facts) == 2 and chance(0.7, rng) else ((), facts)
    text = f"{with_article(scene, thing, known, rng)} {describe(thing, told, rng)}"
    return Caption(text, thing.box, (thing.kind,), ("look", thing, tuple(sorted(known + told)), ""))


def position(scene: Scene, thing: Thing, rng: np.random.Generator) -> Caption | None:
    """Say "a kite in the top left corner", "the ball on the left is red"."""
    where = where_it_is(scene, thing, rng)
    if where is None:
        return None
    facts = some_facts(thing, 1, rng)
    if chance(0.25, rng):
        text = f"the {noun(thing, (), rng)} {where[1]} {describe(thing, facts, rng)}"
    else:
        article = with_article(scene, thing, facts, rng)
        text = f"{article}{' is' if chance(0.2, rng) and not article.startswith('a') else ''} {where[1]}"
    return Caption(text, thing.box, (thing.kind,), ("position", thing, facts, where[0]))


def relation(scene: Scene, thing: Thing, rng: np.random.Generator) -> Caption | None:
    """Say "the crimson ball left of the kite", "a boat is smaller than the house"."""
    other = scene.things[int(rng.integers(len(scene.things)))]
    held = relations(thing.box, other.box, scene.side) if other is not thing else []
    if thing.kind == other.kind or chance(0.3, rng):
        sizes = list(EXTENTS)
        step = sizes.index(thing.size) - sizes.index(other.size)
        held += ["bigger"] if step > 0 else ["smaller"] if step < 0 else []
    if not held:
        return None
    how = any_of(held, rng)
    facts = some_facts(thing, 1, rng) if chance(0.5, rng) else ()
    facts = tuple(fact for fact in facts if fact != "size" or how not in ("bigger", "smaller"))
    others = some_facts(other, 1, rng) if chance(0.25, rng) and how not in ("bigger", "smaller") else ()
    reference = with_article(scene, other, others, rng)
    if other.kind == thing.kind and not facts and not others:
        reference = f"another {noun(other, (), rng)}"
        subject = indefinite(noun(thing, (), rng))
    else:
        subject = with_article(scene, thing, facts, rng)
    verb = " is" if chance(0.35, rng) or how in ("bigger", "smaller") else ""
    text = f"{subject}{verb} {word(RELATIONS[how], rng)} {reference}"
    meaning = ("relation", how, thing.kind, alike_key(thing, facts), other.kind, alike_key(other, others))
    return Caption(text, around(thing.box, other.box), (thing.kind, other.kind), meaning)


def alike_key(thing: Thing, facts: tuple[str, ...]) -> tuple[str, ...]:
    """The values of the facts that are said of a thing."""
    return tuple(getattr(thing, fact) for fact in facts)


def number(scene: Scene, thing: Thing, rng: np.random.Generator) -> Caption | None:
    """Say "two blue boats near the shore": exactly so many."""
    facts = some_facts(thing, 1, rng) if chance(0.5, rng) else ()
    group, where, words = alike(scene, thing, facts), "", ""
    if chance(0.4, rng):
        where, words = where_it_stands(scene, thing, rng)
        group = [other for other in group if stands(scene, other, where)]
    if len(group) not in NUMBERS:
        return None
    text = f"{NUMBERS[len(group)]} {noun(thing, facts, rng, many=True)} {words}".strip()
    if chance(0.1, rng):
        text = f"there are {text}"
    meaning = ("number", len(group), thing.kind, alike_key(thing, facts), where)
    return Caption(text, around(*(other.box for other in group)), (thing.kind,) * len(group), meaning)


def contrast(scene: Scene, thing: Thing, rng: np.random.Generator) -> Caption | None:
    """Say "one ball is red and the other is blue", of exactly two."""
    both = alike(scene, thing, ())
    words = {"colour": COLOURS, "size": SIZES, "pattern": {key: pair[0] for key, pair in PATTERNS.items()}}
    if len(both) != 2:
        return None
    different = [fact for fact in words if getattr(both[0], fact) != getattr(both[1], fact)]
    if not different:
        return None
    fact = any_of(different, rng)
    order = both if chance(0.5, rng) else both[::-1]
    first, second = (word(words[fact][getattr(one, fact)], rng) for one in order)
    name = word(KINDS[thing.kind].names, rng)
    subject = f"one of the two {plural(name)}" if chance(0.4, rng) else f"one {name}"
    text = f"{subject} is {first} and the other is {second}"
    return Caption(text, around(*(one.box for one in both)), (thing.kind,) * 2, ("contrast", thing.kind, fact))


def view(scene: Scene, thing: Thing, rng: np.random.Generator) -> Caption:
    """Say "dark sky with clouds", "a sandy beach": of the setting, not of `thing`."""
    setting = SETTINGS[scene.place]
    parts: dict[str, tuple[Box, tuple[str, ...]]] = {
        setting.bands[0]: (scene.band(setting.bands[0]), (SKIES | WALLS)[scene.backdrop])
    }
    parts |= {band: (scene.band(band), words) for band, words in setting.views.items()}
    if scene.light != "none":
        parts[scene.light] = (scene.light_box(), LIGHTS[scene.light])
    name = any_of(list(parts), rng)
    return Caption(any_of(parts[name][1], rng), parts[name][0], (name,), ("view", name))


FORMS: dict[Callable[[Scene, Thing, np.random.Generator], Caption | None], float] = {
    look: 0.3,
    statement: 0.15,
    position: 0.13,
    relation: 0.3,
    number: 0.1,
    contrast: 0.08,
    view: 0.12,
}
