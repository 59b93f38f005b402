"""The table that says whether a folder holds Visual Genome and the released splits; it decodes no image."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from data_prep.counts import count_table
from data_prep.visual_genome.loading import FEWEST_CAPTIONS, PIXEL_FOLDERS, find_files
from data_prep.visual_genome.reading import read
from data_prep.visual_genome.regions import keep
from data_prep.visual_genome.sides import RELEASED, read_sides

IMAGES = 108_077  # the release of 2016, which image_data.json and region_descriptions.json of version 1.2 share
PAPER_IMAGES = 105_414  # Drill-down, "Dataset"; its three splits sum to 107,001


def verify(root: Path, splits: Path | None = None) -> tuple[str, bool]:
    """Compare a folder's images with the release, and lists of ids with the released splits.

    A part of the pixels is no disagreement: `load` takes a subset. Other captions and lists are one.

    Returns:
        the table to print, and whether every count agrees.
    """
    captions, kept, long = 0, 0, set()
    dropped: Counter[str] = Counter()
    seen = set()
    for image in read(root):
        found = keep(image)
        seen.add(image.number)
        captions, kept = captions + len(image.regions), kept + len(found.regions)
        dropped.update(found.dropped)
        if len(found.regions) >= FEWEST_CAPTIONS:
            long.add(image.number)
    counts = {"images with captions": len(seen)}
    expected = {"images with captions": IMAGES}
    lines = [f"{captions:,} captions, {kept:,} of them kept"]
    lines += [f"  dropped: {count:,} ({reason})" for reason, count in dropped.items() if count]
    lines.append(f"{len(long):,} images have {FEWEST_CAPTIONS} captions or more")
    folder = splits or (root / "splits" if (root / "splits").is_dir() else None)
    if folder is None:
        lines.append("no lists of released ids: give their folder with --splits")
    else:
        side_of = read_sides(folder)
        expected |= {f"ids of {side}": count for side, count in RELEASED.items()}
        for side in RELEASED:
            members = {number for number, name in side_of.items() if name == side}
            counts[f"ids of {side}"] = len(members)
            lines.append(f"  {side}: {len(members & seen):,} have captions, {len(members & long):,} enough of them")
    if any((root / name).is_dir() for name in PIXEL_FOLDERS):
        lines.append(f"{len(find_files(root).keys() & seen):,} of {len(seen):,} image files are present")
    else:
        lines.append("no pixels: neither VG_100K/ nor VG_100K_2/")
    lines.append(f"Drill-down counts {PAPER_IMAGES:,} images; its released lists have {sum(RELEASED.values()):,}")
    table, agree = count_table(counts, expected)
    return "\n".join([*lines, "", table]), agree
