"""CelebA as a `DatasetDict` with the columns that all face data sets share, whole or as a subset."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from data_prep.attributes import ATTRIBUTES, face_features
from data_prep.celeba import images
from data_prep.celeba.annotations import PARTITIONS, Annotations, read_annotations
from data_prep.celeba.hub import read_hub
from data_prep.celeba.release import OFFICIAL, Release, check_release
from data_prep.splits import About, Splits, check_free, described, save

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, DatasetInfo
    from jaxtyping import Int

__all__ = ["ABOUT", "HUB_ID", "HUB_REVISION", "FaceSplits", "SplitName", "check_free", "load", "save"]

logger = logging.getLogger(__name__)

HUB_ID = "flwrlabs/celeba"  # image, celeb_id and 40 boolean columns; train / valid / test; about 12 GB of PNG
HUB_REVISION = "2d738f56e0e7f925ea36ae7c808ea925264aacec"
SplitName = Literal["paper", "official"]

ABOUT = About(
    description="CelebA: 202,599 aligned face images of 10,177 celebrities, each with 40 binary attributes.",
    homepage="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    license=(
        "CelebA dataset release agreement: non-commercial research purposes only; the images are not the "
        "property of the authors of CelebA and must not be sold, published or redistributed."
    ),
    citation="""@inproceedings{liu2015faceattributes,
  title = {Deep Learning Face Attributes in the Wild},
  author = {Liu, Ziwei and Luo, Ping and Wang, Xiaogang and Tang, Xiaoou},
  booktitle = {Proceedings of International Conference on Computer Vision (ICCV)},
  year = {2015}
}""",
)


FaceSplits = Splits  # the name that CelebA's own users know


def load(
    root: Path | None = None,
    hub_id: str | None = None,
    revision: str | None = None,
    split: SplitName = "paper",
    on_bad_image: Literal["error", "skip"] = "error",
    check_images: bool = True,
    expected: Release = OFFICIAL,
) -> FaceSplits:
    """Load CelebA from the official files, or from the Hub.

    Images from official files stay on disk and are referred to by path; moving the folder breaks the result.

    Args:
        root: folder that holds Anno/ and Img/, or torchvision's celeba/ folder. A part of the images will
            do; those that are missing are left out, counted, and warned of. The annotations must be complete.
        hub_id: "owner/name" on the Hub or a local folder of parquet files; `HUB_ID` where root is not given.
        revision: of the Hub data set; `HUB_REVISION` for `HUB_ID`.
        split: "paper" trains on the first 180,000 images by file name and tests on the others; some people
            are on both sides. "official" is list_eval_partition: train, validation and test, nobody in two.
        on_bad_image: "error" raises for an image that cannot be decoded, "skip" leaves it out and counts it.
        check_images: decode each image once. Without it a bad image raises only when it is used.
        expected: counts the annotations must have.
    Returns:
        splits with the columns of `face_features()`, sorted by file name.
    Raises:
        FileNotFoundError: a folder, an annotation file or every image is missing.
        ValueError: an argument is unknown, the annotations are not those expected, or an image is bad.
    Source:
        split "paper": Facial retrieval with progressive feedback, section 4.2.
    Example:
        >>> faces = load(Path("celeba"))  # doctest: +SKIP
        >>> faces.source  # doctest: +SKIP
        'CelebA (official files), paper split, 202,599 of 202,599 images'
    """
    _check_arguments(root, hub_id, revision, split, on_bad_image)
    left_out: dict[str, int] = {}
    if root is not None:
        annotations = read_annotations(Path(root))
        check_release(annotations, expected, str(root))
        rows, faces, left_out = _from_files(Path(root), annotations)
        origin = "official files"
    else:
        hub_id, revision = (HUB_ID, revision or HUB_REVISION) if hub_id in (None, HUB_ID) else (hub_id, revision)
        annotations, pictures = read_hub(hub_id, revision, expected)
        check_release(annotations, expected, hub_id)
        rows = np.arange(len(annotations.names))
        faces = _with_labels(pictures, annotations, rows)
        origin = f"{hub_id}@{revision[:7]}" if revision else hub_id
    if check_images:
        faces, bad = images.check_images(faces, on_bad_image)
        if bad:
            left_out["image cannot be decoded"] = len(bad)
            logger.warning("left out %s images that cannot be decoded, first %s", f"{len(bad):,}", bad[:5])
            dropped = set(bad)
            rows = np.array([row for row in rows if annotations.names[row] not in dropped], dtype=np.int64)
    source = f"CelebA ({origin}), {split} split, {len(faces):,} of {len(annotations.names):,} images"
    return FaceSplits(
        _split(faces, rows, annotations, split, expected, described(ABOUT, source, left_out)), left_out, source
    )


def _check_arguments(root: Path | None, hub_id: str | None, revision: str | None, split: str, on_bad: str) -> None:
    if split not in get_args(SplitName):
        raise ValueError(f"split is {split!r}; choose one of {', '.join(get_args(SplitName))}")
    if on_bad not in ("error", "skip"):
        raise ValueError(f"on_bad_image is {on_bad!r}; choose error or skip")
    if root is not None and (hub_id is not None or revision is not None):
        raise ValueError(f"root {root} was given with hub_id {hub_id} and revision {revision}; give root or the others")


def _from_files(root: Path, annotations: Annotations) -> tuple[Int[np.ndarray, " face"], Dataset, dict[str, int]]:
    import pyarrow as pa
    from datasets import Dataset, DatasetInfo, Features, Image

    folder, files = images.find_images(root)
    stems = [Path(name).stem for name in annotations.names]
    rows = np.array([row for row, stem in enumerate(stems) if stem in files], dtype=np.int64)
    if len(rows) == 0:
        raise FileNotFoundError(
            f"{folder} holds {len(files):,} images, none of which the annotations name (first {min(files)}); "
            "take images and annotations from the same release"
        )
    counts = {
        "image file is missing": len(stems) - len(rows),
        "image file has no annotation": len(files) - len(rows),
    }
    left_out = {reason: count for reason, count in counts.items() if count}
    for reason, count in left_out.items():
        logger.warning("left out %s images of CelebA: %s, in %s", f"{count:,}", reason, folder)
    paths = pa.array([str(folder.resolve() / files[stems[row]]) for row in rows])
    table = pa.table({"image": Image().cast_storage(paths)})
    pictures = Dataset(table, info=DatasetInfo(features=Features(image=Image())))
    return rows, _with_labels(pictures, annotations, rows), left_out


def _with_labels(pictures: Dataset, annotations: Annotations, rows: Int[np.ndarray, " face"]) -> Dataset:
    """Put the labels of the given rows beside their pictures, in the columns of `face_features()`."""
    import pyarrow as pa
    from datasets import Dataset, DatasetInfo, Features, concatenate_datasets

    features = face_features()
    present = annotations.attributes[rows] > 0
    columns = {"id": pa.array([annotations.names[row] for row in rows], pa.string())}
    columns["identity"] = pa.array(annotations.identities[rows])
    columns |= {name: pa.array(present[:, column]) for column, name in enumerate(ATTRIBUTES)}
    info = DatasetInfo(features=Features({name: features[name] for name in columns}))
    labels = Dataset(pa.table(columns), info=info)
    return concatenate_datasets([labels, pictures], axis=1).select_columns(list(features))


def _split(
    faces: Dataset,
    rows: Int[np.ndarray, " face"],
    annotations: Annotations,
    split: SplitName,
    expected: Release,
    info: DatasetInfo,
) -> DatasetDict:
    from datasets import DatasetDict

    if split == "paper":
        names, side = ("train", "test"), (rows >= expected.train_images).astype(np.int8)
    else:
        names, side = PARTITIONS, annotations.partition[rows]
    faces.info.update(info)
    splits = DatasetDict({name: faces.select(np.flatnonzero(side == place)) for place, name in enumerate(names)})
    for name, part in splits.items():
        if len(part) == 0:
            logger.warning("the %s split of CelebA has no image in its %s part", split, name)
    return splits
