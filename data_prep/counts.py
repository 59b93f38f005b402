"""Published counts of a data set beside those that were found, as a table or as an error; no reading."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def count_table(found: Mapping[str, int], expected: Mapping[str, int]) -> tuple[str, bool]:
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
        rows.append((label, f"{expected[label]:,}" if label in expected else "-", f"{number:,}", verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*(row[place].ljust(widths[place]) for place in range(3)), row[3]]).rstrip() for row in rows]
    agrees = not _wrong(found, expected)
    lines.append("all counts agree" if agrees else "MISMATCH: a part of the data set, or another release")
    return "\n".join(lines), agrees


def check_counts(found: Mapping[str, int], expected: Mapping[str, int], where: str | Path) -> None:
    """Refuse annotations that are not the release that was asked for.

    Raises:
        ValueError: a count differs; names each with the expected and the found value.
    """
    wrong = _wrong(found, expected)
    if wrong:
        told = "; ".join(f"{label}: expected {expected[label]:,}, found {found.get(label, 0):,}" for label in wrong)
        raise ValueError(
            f"{where} does not have the published counts ({told}); take the complete files, or pass expected=None "
            "to use others on purpose"
        )


def _wrong(found: Mapping[str, int], expected: Mapping[str, int]) -> list[str]:
    return [label for label, count in expected.items() if found.get(label, 0) != count]
