"""Which captions of an image are kept, and in which order; reading and splitting live elsewhere."""

from dataclasses import dataclass

from data_prep.visual_genome.reading import Image, Region

EMPTY = "caption is empty"
REPEATED = "caption repeats another of its image"
SAME_REGION = "region id repeats another of its image"


@dataclass(frozen=True)
class Kept:
    """The regions of an image that remain, by region id, and how many captions were dropped for which reason."""

    regions: list[Region]
    dropped: dict[str, int]


def keep(image: Image) -> Kept:
    """Drop empty captions, exact duplicates and repeated region ids, and sort by region id.

    Of duplicates the first of the file stays, as in the released code. "Exact" is after lower-casing and without
    the blanks around a caption: "a dog" and "a dog." are two. Of two regions with one id the first stays (the
    released code keeps the last; the official file has none).

    Source:
        Drill-down, "Dataset"; filter_duplicate_regions in lib/datasets/vg.py of the released code.
    Example:
        >>> regions = [Region(7, "a dog", None), Region(3, "red door", None), Region(5, "a dog", None)]
        >>> kept = keep(Image(1, regions))
        >>> [region.number for region in kept.regions], kept.dropped["caption repeats another of its image"]
        ([3, 7], 1)
    """
    dropped = {EMPTY: 0, REPEATED: 0, SAME_REGION: 0}
    captions: set[str] = set()
    regions: dict[int, Region] = {}
    for region in image.regions:
        if not region.caption:
            dropped[EMPTY] += 1
        elif region.caption in captions:
            dropped[REPEATED] += 1
        elif region.number in regions:
            dropped[SAME_REGION] += 1
        else:
            captions.add(region.caption)
            regions[region.number] = region
    return Kept([regions[number] for number in sorted(regions)], dropped)
