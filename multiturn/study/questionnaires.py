"""The questionnaires that a study may end with, and their scores; pages and forms live elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """A question.

    Attributes:
        name: its key in exports.
        text: what is asked.
        low: what the lowest value means.
        high: what the highest means.
    """

    name: str
    text: str
    low: str
    high: str


@dataclass(frozen=True)
class Questionnaire:
    """Items that are answered on one scale.

    Attributes:
        title: above the page.
        items: in their order.
        values: of the scale, lowest first.
        shared: whether all items have the same ends, which are then printed once.
    """

    title: str
    items: Sequence[Item]
    values: Sequence[int]
    shared: bool

    def read(self, answers: Mapping[str, str]) -> dict[str, int]:
        """The answers as numbers.

        Raises:
            ValueError: an item without an answer (it is named), or an answer off the scale.
        """
        allowed = {str(value): value for value in self.values}
        if missing := [item.text for item in self.items if item.name not in answers]:
            raise ValueError(f"please answer every question; {len(missing)} are left, the first: {missing[0]}")
        if strange := [item.name for item in self.items if answers[item.name] not in allowed]:
            raise ValueError(f"the answer to {strange[0]} is none of {self.values[0]} to {self.values[-1]}")
        return {item.name: allowed[answers[item.name]] for item in self.items}


def _tlx(name: str, text: str, low: str = "Very low", high: str = "Very high") -> Item:
    return Item(name, text, low, high)


def _sus(number: int, text: str) -> Item:
    return Item(f"sus_{number}", text, "Strongly disagree", "Strongly agree")


QUESTIONNAIRES = {
    "tlx": Questionnaire(
        "How was it to do the task?",
        (
            _tlx("mental", "Mental demand: How mentally demanding was the task?"),
            _tlx("physical", "Physical demand: How physically demanding was the task?"),
            _tlx("temporal", "Temporal demand: How hurried or rushed was the pace of the task?"),
            _tlx(
                "performance",
                "Performance: How successful were you in accomplishing what you were asked to do?",
                "Perfect",
                "Failure",
            ),
            _tlx("effort", "Effort: How hard did you have to work to accomplish your level of performance?"),
            _tlx(
                "frustration",
                "Frustration: How insecure, discouraged, irritated, stressed, and annoyed were you?",
            ),
        ),
        tuple(range(0, 101, 5)),
        shared=False,
    ),
    "sus": Questionnaire(
        "How was the system?",
        tuple(
            _sus(number, text)
            for number, text in enumerate(
                (
                    "I think that I would like to use this system frequently.",
                    "I found the system unnecessarily complex.",
                    "I thought the system was easy to use.",
                    "I think that I would need the support of a technical person to be able to use this system.",
                    "I found the various functions in this system were well integrated.",
                    "I thought there was too much inconsistency in this system.",
                    "I would imagine that most people would learn to use this system very quickly.",
                    "I found the system very cumbersome to use.",
                    "I felt very confident using the system.",
                    "I needed to learn a lot of things before I could get going with this system.",
                ),
                start=1,
            )
        ),
        tuple(range(1, 6)),
        shared=True,
    ),
}


def score(name: str, values: Mapping[str, int]) -> float:
    """The score of a questionnaire, from 0 to 100: high is bad for 'tlx' and good for 'sus'.

    Source:
        Hart, "NASA-Task Load Index (NASA-TLX); 20 years later", 2006: raw TLX, the mean without weights. Brooke, "SUS:
        a quick and dirty usability scale", 1996: odd items minus 1, 5 minus even items, times 2.5.
    Raises:
        ValueError: no such questionnaire.
    Example:
        >>> score("tlx", {"mental": 80, "physical": 0, "temporal": 40})
        40.0
        >>> score("sus", {f"sus_{number}": 5 if number % 2 else 1 for number in range(1, 11)})
        100.0
    """
    match name:
        case "tlx":
            return sum(values.values()) / len(values)
        case "sus":
            numbered = ((int(item.removeprefix("sus_")), value) for item, value in values.items())
            return 2.5 * sum(value - 1 if number % 2 else 5 - value for number, value in numbered)
        case _:
            raise ValueError(f"no questionnaire is called {name!r}; known: {', '.join(QUESTIONNAIRES)}")
