"""Visual Genome as a `DatasetDict`: images by path, with their captions, boxes and region ids."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from data_prep.splits import About, Splits, decodable, part
from data_prep.visual_genome.reading import IMAGES_FILE, read, read_objects, read_sizes
from data_prep.visual_genome.regions import keep
from data_prep.visual_genome.sides import FILES, read_sides, seeded_sides

if TYPE_CHECKING:
    from datasets import Dataset, Features

ABOUT = About(
    description="Visual Genome: photographs with captions of their regions, in lower case, by region id.",
    homepage="https://homes.cs.washington.edu/~ranjay/visualgenome/",
    license="Creative Commons Attribution 4.0 International",
    citation="""@article{krishna2017visual,
  title = {Visual Genome: Connecting Language and Vision Using Crowdsourced Dense Image Annotations},
  author = {Krishna, Ranjay and Zhu, Yuke and Groth, Oliver and Johnson, Justin and Hata, Kenji and Kravitz, Joshua
    and Chen, Stephanie and Kalantidis, Yannis and Li, Li-Jia and Shamma, David A. and Bernstein, Michael S.
    and Fei-Fei, Li},
  journal = {International Journal of Computer Vision},
  volume = {123},
  year = {2017}
}""",
)
_ROWS = 1_000  # turned into Arrow at a time
PIXEL_FOLDERS = ("VG_100K", "VG_100K_2")
FEWEST_CAPTIONS = 10  # the paper drops images with fewer; its sessions have ten turns

SHORT, NO_OBJECT, NO_SPLIT, NO_FILE = (
    "image has fewer captions than asked for",
    "image has no object",
    "image is in no split",
    "image file is missing",
)
UNREAD = "image of a split has no entry"


def visual_genome_features() -> Features:
    """Columns of Visual Genome.

    `id` is the image id as text. `captions`, `boxes` and `region_ids` run in parallel, by region id. A box is x, y,
    width and height in pixels, as released: some leave the image; it is empty where the file has no boxes. `width`
    and `height` are those of image_data.json, 0 without it. `image` is null if pixels were not asked for.
    """
    from datasets import Features, Image, List, Value

    columns = {"id": Value("string"), "image": Image(), "width": Value("int32"), "height": Value("int32")}
    columns |= {"captions": List(Value("string")), "boxes": List(List(Value("int32")))}
    return Features(columns | {"region_ids": List(Value("int64"))})


def load(
    root: Path,
    splits: Path | None = None,
    seed: int = 0,
    fewest_captions: int = FEWEST_CAPTIONS,
    pixels: bool = True,
    on_bad_image: Literal["error", "skip"] = "error",
    check_images: bool = True,
) -> Splits:
    """Load Visual Genome from the official JSON files, from one JSON file an image, or from a CSV file.

    Captions are lower-cased; exact duplicates within an image are dropped, then images with few captions and, where
    objects.json is there, images without an object. The released code counts only objects of 1,600 frequent kinds.
    Images stay on disk and are referred to by path; moving the folder breaks the result.

    Args:
        root: the folder that holds region_descriptions.json and image_data.json, or rg_jsons/, or a CSV file.
        splits: the folder that holds vg_train.txt, vg_val.txt and vg_test.txt; by default `root`/splits if it is
            there, else a seeded draw of the same shares. `source` says which.
        seed: of that draw.
        fewest_captions: an image with fewer, after duplicates are dropped, is left out.
        pixels: look for <image id>.jpg in VG_100K/ and VG_100K_2/, and leave out images without. False gives captions
            alone.
        on_bad_image: "error" raises for an image that cannot be decoded, "skip" leaves it out and counts it.
        check_images: decode each image once. Without it a bad image raises only when it is used.
    Returns:
        train, validation and test, each by image id, with the columns of `visual_genome_features()`.
    Raises:
        FileNotFoundError: no annotations, no pixel folder, or a list of the splits is missing.
        ValueError: an entry is damaged or two images have one id (names file and entry), nothing is left, or an image
            is bad.
    Source:
        Drill-down, "Dataset"; its released code, lib/datasets/vg.py.
    """
    root = Path(root)
    folder = splits or (root / "splits" if (root / "splits").is_dir() else None)
    side_of = None if folder is None else read_sides(Path(folder))
    files = find_files(root) if pixels else None
    left_out: dict[str, int] = {}
    seen: set[int] = set()
    kept = _dataset(_rows(root, fewest_captions, side_of, files, left_out, seen))
    if side_of is not None:
        _add(left_out, {UNREAD: len(side_of.keys() - seen)})
    if len(kept) == 0:
        told = "; ".join(f"{reason}: {count:,}" for reason, count in left_out.items() if count)
        raise ValueError(f"none of {len(seen):,} images of {root} is left ({told}); see fewest_captions and splits")
    kept = decodable(kept, on_bad_image, check_images and pixels, left_out)
    numbers = [int(name) for name in kept["id"]]
    if side_of is None:
        side_of, rule = seeded_sides(numbers, seed), f"seeded split (seed {seed})"
    else:
        rule = "released split"
    source = f"Visual Genome, {rule}, {len(numbers):,} of {len(seen):,} images, captions from {fewest_captions} up"
    return part(kept, [side_of[number] for number in numbers], tuple(FILES), ABOUT, source, left_out)


def find_files(root: Path) -> dict[int, Path]:
    """Image id -> file, from VG_100K/ and VG_100K_2/.

    Raises:
        FileNotFoundError: neither folder is there.
    """
    folders = [root / name for name in PIXEL_FOLDERS if (root / name).is_dir()]
    if not folders:
        raise FileNotFoundError(
            f"{root} holds neither {' nor '.join(PIXEL_FOLDERS)}; unpack images.zip and images2.zip there, or pass "
            "pixels=False for captions alone"
        )
    return {
        int(path.stem): path.resolve() for folder in folders for path in folder.glob("*.jpg") if path.stem.isdigit()
    }


def _rows(
    root: Path,
    fewest_captions: int,
    side_of: dict[int, str] | None,
    files: dict[int, Path] | None,
    left_out: dict[str, int],
    seen: set[int],
) -> Iterator[dict[str, Any]]:
    """Yield the rows of the images that stay; adds the others to `left_out`, and every id that was read to `seen`."""
    sizes, objects = read_sizes(root), read_objects(root)
    for image in read(root):
        number = image.number
        seen.add(number)
        if sizes and number not in sizes:
            raise ValueError(f"{root / IMAGES_FILE} lacks image {number}; take both files from one release")
        kept = keep(image)
        _add(left_out, kept.dropped)
        reasons = {
            SHORT: len(kept.regions) < fewest_captions,
            NO_OBJECT: objects is not None and not objects.get(number),
            NO_SPLIT: side_of is not None and number not in side_of,
            NO_FILE: files is not None and number not in files,
        }
        reason = next((reason for reason, holds in reasons.items() if holds), None)
        if reason:
            _add(left_out, {reason: 1})
            continue
        width, height = sizes.get(number, (0, 0))
        yield {
            "id": str(number),
            "image": None if files is None else {"bytes": None, "path": str(files[number])},
            "width": width,
            "height": height,
            "captions": [region.caption for region in kept.regions],
            "boxes": [list(region.box or ()) for region in kept.regions],
            "region_ids": [region.number for region in kept.regions],
        }


def _dataset(rows: Iterator[dict[str, Any]]) -> Dataset:
    """Turn rows into Arrow a few at a time, since they take several times the memory, and sort them by image id."""
    import pyarrow as pa
    from datasets import Dataset, DatasetInfo

    features = visual_genome_features()
    tables = [pa.Table.from_pylist([], features.arrow_schema)]
    while batch := list(islice(rows, _ROWS)):
        tables.append(pa.Table.from_pylist(batch, features.arrow_schema))
    found = Dataset(pa.concat_tables(tables), info=DatasetInfo(features=features))
    numbers = [int(name) for name in found["id"]]
    return found.select(sorted(range(len(numbers)), key=numbers.__getitem__))


def _add(left_out: dict[str, int], more: dict[str, int]) -> None:
    for reason, count in more.items():
        left_out[reason] = left_out.get(reason, 0) + count
