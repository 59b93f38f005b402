"""Who looks for which target with which system, in which order: Latin squares; who the participants are is not here."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from multiturn.study.protocol import StudyProtocol


@dataclass(frozen=True)
class Planned:
    """A trial as it was planned.

    Attributes:
        place: of the trial among the participant's, from 0, practice first.
        system: name of it.
        target: id of the image to look for.
        block: of trials with one system, from 0; 0 throughout where systems change from trial to trial.
        practice: whether no table counts it.
    """

    place: int
    system: str
    target: str
    block: int
    practice: bool


def latin_square(size: int, mirrored: bool = False) -> list[list[int]]:
    """A row a participant, a column a position: each number once in every row and column.

    Of an even size each number also comes once directly after each other one; of an odd size that takes the mirrored
    square as well.

    Source:
        Williams, "Experimental designs balanced for the estimation of residual effects of treatments", 1949.
    Example:
        >>> latin_square(4)
        [[0, 1, 3, 2], [1, 2, 0, 3], [2, 3, 1, 0], [3, 0, 2, 1]]
        >>> latin_square(3)
        [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
        >>> latin_square(3, mirrored=True)
        [[2, 1, 0], [0, 2, 1], [1, 0, 2]]
    """
    first = [(place + 1) // 2 if place % 2 else (size - place // 2) % size for place in range(size)]
    rows = [[(number + shift) % size for number in first] for shift in range(size)]
    return [row[::-1] for row in rows] if mirrored else rows


def plan(protocol: StudyProtocol, number: int, targets: Sequence[str], practice: Sequence[str]) -> list[Planned]:
    """The trials of a participant.

    As participants come in, each system meets each target, and stands at each position, equally often to within one.
    Targets move on by one position from one square of participants to the next.

    Args:
        number: of the participant, from 0: the order in which they came.
        targets: ids, of all participants together.
        practice: ids of targets to practise with, with the systems in the order of the trials, in turn.
    """
    names, count = list(protocol.systems), protocol.trial_count
    draws = Random(protocol.seed)
    draws.shuffle(names)
    order = draws.sample(list(targets), len(targets))
    square, row = divmod(number, len(names))
    shared = len(order) // count
    window = order[square % shared * count :][:count]
    turned = square // shared % count
    systems = latin_square(len(names), mirrored=bool(square % 2) and bool(len(names) % 2))[row]
    length = count // len(names) if protocol.order == "blocked" else 0
    practised = len(practice)
    trials = []
    for position in range(count):
        block = position // length if length else 0
        name = names[systems[block if length else position % len(names)]]
        trials.append(Planned(practised + position, name, window[(position + turned) % count], block, False))
    met = list(dict.fromkeys(trial.system for trial in trials))
    tried = [Planned(place, met[place % len(met)], target, 0, True) for place, target in enumerate(practice)]
    return tried + trials
