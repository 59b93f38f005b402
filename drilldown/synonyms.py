"""Words that may stand for each other in a caption: a list of our own for photographs, and the drawn scenes' words."""

from data_prep.drawn_scenes.words import COLOURS, KINDS, PATTERNS, SIZES, plural

# Each line is one meaning, and no word of it often means another thing.
_PHOTOGRAPHS = """
man guy gentleman fellow
men guys gentlemen fellows
woman lady female
women ladies females
boy lad
girl lass
child kid youngster
children kids youngsters
baby infant toddler
people persons folks
crowd throng
dog hound pooch
dogs hounds pooches
puppy pup
cat kitty
horse steed
bicycle bike cycle
motorcycle motorbike
truck lorry
airplane aeroplane plane
street road
sidewalk pavement footpath
path trail track
grass lawn turf
field meadow
forest woods woodland
mountain peak
hill slope
rock stone boulder
rocks stones boulders
ocean sea
beach shore seashore
river stream creek
pond pool
building structure edifice
store shop
sofa couch settee
television tv
picture photo photograph image
t-shirt tee
trousers pants slacks
jacket coat
cap hat
glasses spectacles eyeglasses
shoes footwear
backpack rucksack knapsack
stick twig
big large huge
small little tiny
old aged elderly
young youthful
quick fast rapid
happy glad cheerful
beautiful pretty lovely
wet soaked drenched
jumps leaps hops
jumping leaping hopping
runs races dashes
running racing dashing
walks strolls
walking strolling
throws tosses hurls
throwing tossing hurling
holds grasps grips
holding grasping gripping
sits perches
talks chats speaks
talking chatting speaking
smiles grins
smiling grinning
behind after
"""


def _groups() -> list[tuple[str, ...]]:
    drawn = [kind.names for kind in KINDS.values()]
    drawn += [tuple(plural(name) for name in names) for names in drawn]
    drawn += [*COLOURS.values(), *SIZES.values()]
    drawn += [words for both in PATTERNS.values() for words in both]
    own = [tuple(line.split()) for line in _PHOTOGRAPHS.strip().splitlines()]
    # Words are replaced one by one, so "no pattern" cannot stand for "plain".
    return [tuple(word for word in group if " " not in word) for group in [*own, *drawn]]


def _table() -> dict[str, tuple[str, ...]]:
    table: dict[str, list[str]] = {}
    for group in _groups():
        for word in group:
            others = table.setdefault(word, [])
            others.extend(other for other in group if other != word and other not in others)
    return {word: tuple(others) for word, others in table.items() if others}


# Each word with those that may stand for it.
SYNONYMS: dict[str, tuple[str, ...]] = _table()
