"""Published counts of a data set beside those that were found, as a table or as an error; no reading."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

# A number, several, or a digest; of a digest the table shows the beginning.
Count = int | tuple[int, ...] | str


def count_table(found: Mapping[str, Count], expected: Mapping[str, Count]) -> tuple[str, bool]:
    """Lay found counts beside the published ones.

    Args:
        found: label -> count; a label that `expected` lacks is printed without a verdict.
    Returns:
        the table to print, and whether every expected count was found.
    Example:
        >>> print(count_table({"images": 12}, {"images": 13_233})[0])
                expected  found
        images  13,233    12     MISMATCH
        MISMATCH: a part of the data set, or another release
    """
    rows = [("", "expected", "found", "")]
    for label in [*expected, *(label for label in found if label not in expected)]:
        number = found.get(label, 0)
        verdict = "" if label not in expected else "ok" if number == expected[label] else "MISMATCH"
        rows.append((label, _text(expected[label]) if label in expected else "-", _text(number), verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*(row[place].ljust(widths[place]) for place in range(3)), row[3]]).rstrip() for row in rows]
    agrees = not differences(found, expected)
    lines.append("all counts agree" if agrees else "MISMATCH: a part of the data set, or another release")
    return "\n".join(lines), agrees


def check_counts(found: Mapping[str, Count], expected: Mapping[str, Count], where: str | Path) -> None:
    """Refuse annotations that are not the release that was asked for.

    Raises:
        ValueError: a count differs; names each with the expected and the found value.
    """
    told = differences(found, expected)
    if told:
        raise ValueError(
            f"{where} does not have the published counts ({'; '.join(told)}); take the complete files, or pass "
            "expected=None to use others on purpose"
        )


def differences(found: Mapping[str, Count], expected: Mapping[str, Count]) -> list[str]:
    """Say of each count that differs what was expected and what was found.

    Example:
        >>> differences({"images": 12}, {"images": 13_233})
        ['images: expected 13,233, found 12']
    """
    return [
        f"{label}: expected {_text(count)}, found {_text(found.get(label, 0))}"
        for label, count in expected.items()
        if found.get(label, 0) != count
    ]


def _text(count: Count) -> str:
    if isinstance(count, tuple):
        return " / ".join(f"{one:,}" for one in count)
    return count[:16] if isinstance(count, str) else f"{count:,}"
