"""Which image is in which split: the released lists of ids, or a seeded draw; no captions and no pixels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from data_prep.ids import check_distinct, check_number
from data_prep.texts import read_utf8

RELEASED = {"train": 92_105, "validation": 5_000, "test": 9_896}  # vg_train.txt, vg_val.txt, vg_test.txt; sum 107,001
FILES = {"train": "vg_train.txt", "validation": "vg_val.txt", "test": "vg_test.txt"}


def read_sides(folder: Path) -> dict[int, str]:
    """Read the three released lists: image id -> split.

    Raises:
        FileNotFoundError: one of the lists is not there.
        ValueError: a line is no whole number, or an image comes twice, in one list or in two.
    """
    sides: dict[int, str] = {}
    for side, name in FILES.items():
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is not there; take {', '.join(FILES.values())} from data/caches of the released code"
            )
        lines = read_utf8(path).split()
        numbers = [check_number(line, "image id", f"{path} line {at}") for at, line in enumerate(lines, start=1)]
        check_distinct(numbers, path)
        both = next((number for number in numbers if number in sides), None)
        if both is not None:
            raise ValueError(f"image {both} is in {path} and in {FILES[sides[both]]}; keep it in one of them")
        sides |= dict.fromkeys(numbers, side)
    return sides


def seeded_sides(numbers: Iterable[int], seed: int) -> dict[int, str]:
    """Draw validation and test of the same shares as the released lists; the rest trains.

    The draw depends on the seed and on which images there are, not on their order.

    Example:
        >>> sides = seeded_sides(range(1000), seed=0)
        >>> [list(sides.values()).count(side) for side in ("train", "validation", "test")]
        [861, 47, 92]
    """
    import numpy as np

    ordered = sorted(numbers)
    drawn = np.random.default_rng(seed).permutation(len(ordered)).tolist()
    total = sum(RELEASED.values())
    validation = round(len(ordered) * RELEASED["validation"] / total)
    test = round(len(ordered) * RELEASED["test"] / total)
    names = ["validation"] * validation + ["test"] * test
    names += ["train"] * (len(ordered) - len(names))
    return {ordered[place]: side for place, side in zip(drawn, names, strict=True)}
