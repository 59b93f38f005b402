"""Look for what makes results on a gallery wrong: `python -m data_prep.audit GALLERY [OTHER]`.

Broken and identical vectors, near duplicates, and, of two galleries (training and test, or queries and gallery), ids,
pictures, vectors and people that are in both. Exit status 0, or 1 with --strict where something was found.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.manifests import LABELS, counts, read_labels, read_manifest
from multiturn.cli import Parser, clear_errors
from multiturn.files import digest_of_file

if TYPE_CHECKING:
    from data_prep.duplicates import Looked
    from multiturn.gallery_files import GalleryFile

# Of copies of 150 Flickr8k images, saved at JPEG quality 50 or cropped by 3 % a side, 95 in 100 have a cosine of .95 or
# more with pooled SqueezeNet features; the nearest other of 1,000 test images reaches .86. Other encoders differ.
THRESHOLD = 0.95
EXAMPLES = """examples:
  python -m data_prep.audit runs/flickr8k
  python -m data_prep.audit runs/lfw-train runs/lfw-test --threshold 0.9 --json audit.json --strict
  python -m data_prep.audit runs/train runs/test --identities identities.csv
"""


@dataclass(frozen=True)
class Finding:
    """One question and its answer.

    Attributes:
        check: what was looked for.
        found: how many.
        of: of how many.
        examples: the first of them.
    """

    check: str
    found: int
    of: int
    examples: list[Any] = field(default_factory=list)


def within(file: GalleryFile, looked: Looked, threshold: float, most: int) -> list[Finding]:
    """What is found in one gallery."""
    from data_prep.duplicates import alike, sharing

    size = len(file)
    near = alike(file, None, threshold, most, sys.stderr.isatty())
    findings = [
        Finding("vectors that hold NaN or infinity", len(looked.infinite), size, looked.infinite[:most]),
        Finding("vectors that are zero", len(looked.zero), size, looked.zero[:most]),
        Finding("candidates whose vector another has too", *_of(size, *sharing(file.ids, looked.vectors, most))),
        Finding(f"candidates like another (cosine >= {threshold:g})", near.first, size, list(near.examples)),
    ]
    if looked.contents:
        told = "candidates whose content another has too, byte for byte"
        findings.insert(2, Finding(told, *_of(size, *sharing(file.ids, looked.contents, most))))
    told = read_manifest(file.path.parent).get("gallery", {})
    if told.get("file") == file.path.name:
        findings.insert(
            0, Finding("files that differ from the manifest", int(digest_of_file(file.path) != told["sha256"]), 1)
        )
    return findings


def across(
    file: GalleryFile, looked: Looked, other: GalleryFile, theirs: Looked, threshold: float, most: int
) -> list[Finding]:
    """What two galleries share; of how many is of the first."""
    from data_prep.duplicates import alike, shared

    size, both = len(file), sorted(set(file.ids) & set(other.ids))
    findings = [Finding("ids that are in both", len(both), size, both[:most])]
    if looked.contents and theirs.contents:
        found = shared(file.ids, looked.contents, other.ids, theirs.contents, most)
        findings.append(Finding("candidates whose content the other has too", *_of(size, *found)))
    if file.fingerprint != other.fingerprint:
        told = [file.fingerprint, other.fingerprint]
        return [*findings, Finding("encoders that differ, so that no vectors were compared", 1, 1, told)]
    found = shared(file.ids, looked.vectors, other.ids, theirs.vectors, most)
    near = alike(file, other, threshold, most, sys.stderr.isatty())
    return [
        *findings,
        Finding("candidates whose vector the other has too", *_of(size, *found)),
        Finding(f"candidates like one of the other (cosine >= {threshold:g})", near.first, size, list(near.examples)),
    ]


def identities(file: GalleryFile, other: GalleryFile, given: dict[str, str] | None, most: int) -> list[Finding]:
    """Who or what is in both galleries; nothing where a gallery has no labels."""
    mine, theirs = (_labelled(one, given) for one in (file, other))
    if not mine or not theirs:
        return []
    common = set(mine.values()) & set(theirs.values())
    inside = [name for name, who in mine.items() if who in common]
    return [
        Finding("people or classes that are in both", len(common), len(set(mine.values())), sorted(common)[:most]),
        Finding("candidates of these", len(inside), len(file), inside[:most]),
    ]


def table(findings: list[Finding]) -> str:
    """Lay findings out, each with its share and its first example.

    Example:
        >>> print(table([Finding("vectors that are zero", 1, 8, ["a.jpg"])]))
        vectors that are zero  1 of 8  12.50%  a.jpg
    """
    rows = [
        (one.check, f"{one.found:,} of {one.of:,}", f"{one.found / max(1, one.of):.2%}", _example(one.examples))
        if one.found
        else (one.check, "none", "", "")
        for one in findings
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(row[place].ljust(widths[place]) for place in range(3)), row[3]]).rstrip() for row in rows
    )


def main(arguments: Sequence[str]) -> None:
    """Read the galleries, and print and write what is found."""
    line = Parser(prog="python -m data_prep.audit", description=__doc__, epilog=EXAMPLES)
    line.add_argument("gallery", type=Path, help="folder or file of a gallery, or ORG/NAME[@REVISION] on the Hub")
    line.add_argument("other", type=Path, nargs="?", help="another, such as that of the test split or of the queries")
    line.add_argument("--threshold", type=float, default=THRESHOLD, help="cosine from which vectors count as alike")
    line.add_argument("--identities", type=Path, help="CSV of id and label, instead of the galleries' own labels.csv")
    line.add_argument("--examples", type=int, default=5, help="of each finding")
    line.add_argument("--json", type=Path, help="file for the findings")
    line.add_argument("--strict", action="store_true", help="exit status 1 where something is found")
    options = line.parse_args(list(arguments))
    if not 0 < options.threshold <= 1:
        line.error(f"--threshold is a cosine above 0 and at most 1, not {options.threshold}")
    if options.examples < 1:
        line.error(f"--examples must be at least 1, not {options.examples}")
    from data_prep.duplicates import look
    from multiturn.gallery_files import GalleryFile
    from multiturn.hub import local_gallery

    given = None if options.identities is None else read_labels(options.identities)
    files = [GalleryFile(local_gallery(path)) for path in (options.gallery, options.other) if path is not None]
    looked, parts = [look(file) for file in files], {}
    for file, seen in zip(files, looked, strict=True):
        parts[_told(file)] = within(file, seen, options.threshold, options.examples)
    if len(files) == 2:
        found = across(files[0], looked[0], files[1], looked[1], options.threshold, options.examples)
        found += identities(files[0], files[1], given, options.examples)
        parts[f"{files[0].path} against {files[1].path}"] = found
    print("\n\n".join(f"{title}\n{table(findings)}" for title, findings in parts.items()))
    dirty = any(one.found for findings in parts.values() for one in findings)
    if options.json is not None:
        _write(options.json, files, parts, options.threshold)
    if dirty and options.strict:
        sys.exit(1)


def _write(path: Path, files: list[GalleryFile], parts: dict[str, list[Finding]], threshold: float) -> None:
    import json

    from multiturn.files import write_text

    galleries = [
        {"path": str(file.path), "source": file.source, "fingerprint": file.fingerprint} | counts(file)
        for file in files
    ]
    sections = [
        {"title": title, "findings": [asdict(one) | {"share": one.found / max(1, one.of)} for one in findings]}
        for title, findings in parts.items()
    ]
    write_text(
        path, json.dumps({"galleries": galleries, "threshold": threshold, "sections": sections}, indent=2) + "\n"
    )


def _of(size: int, found: int, examples: list[Any]) -> tuple[int, int, list[Any]]:
    return found, size, examples


def _labelled(file: GalleryFile, given: dict[str, str] | None) -> dict[str, str]:
    """Labels of a gallery's candidates: those given, or else those beside it."""
    path = file.path.parent / LABELS
    known = given if given is not None else read_labels(path) if path.is_file() else {}
    return {name: known[name] for name in file.ids if name in known}


def _told(file: GalleryFile) -> str:
    about = counts(file)
    numbers = f"{about['dim']} numbers" if about["regions"] is None else f"{about['regions']:,} regions"
    return f"{file.path}: {len(file):,} candidates, {numbers}, {about['dtype']}, {file.fingerprint} ({file.source})"


def _example(examples: list[Any]) -> str:
    if not examples:
        return ""
    first = examples[0]
    return first if isinstance(first, str) else ", ".join(map(str, first))


if __name__ == "__main__":
    with clear_errors():
        main(sys.argv[1:])
