"""CelebA's image files: where they lie, and whether each can be decoded; no labels."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datasets import Dataset

IMAGE_FOLDERS = ("Img/img_align_celeba", "img_align_celeba", "Img/img_align_celeba_png")
# In the order of preference where one image is there as both.
SUFFIXES = (".jpg", ".png")
# Starting a worker costs about as much as decoding so many small images.
_IMAGES_PER_PROCESS = 1_000


def find_images(root: Path) -> tuple[Path, dict[str, str]]:
    """List the image files of CelebA below a folder.

    Args:
        root: the folder that holds Img/img_align_celeba/ (official) or img_align_celeba/ (torchvision).
    Returns:
        the folder, and for each file name without its suffix the name with it.
    Raises:
        FileNotFoundError: no such folder, or no .jpg and .png file in it.
    """
    folder = next((root / name for name in IMAGE_FOLDERS if (root / name).is_dir()), None)
    if folder is None:
        raise FileNotFoundError(
            f"no image folder below {root}, looked for {', '.join(IMAGE_FOLDERS)}; unpack img_align_celeba.zip there"
        )
    names = os.listdir(folder)
    # The preferred suffix comes last and so wins.
    files = {Path(name).stem: name for suffix in reversed(SUFFIXES) for name in names if name.endswith(suffix)}
    if not files:
        raise FileNotFoundError(f"{folder} holds no .jpg and no .png file; unpack img_align_celeba.zip there")
    return folder, files


def check_images(
    dataset: Dataset, on_bad_image: Literal["error", "skip"] = "error", processes: int | None = None
) -> tuple[Dataset, list[str]]:
    """Decode every image once, and refuse or drop those that cannot be decoded.

    Each file is read to its end, JPEGs at an eighth of their size: that finds files that are empty, cut short
    or no images. A JPEG with changed bytes in its middle still decodes, to wrong colours, and is not found.

    Args:
        dataset: has the columns `id` and `image`.
        on_bad_image: "error" raises, "skip" drops.
        processes: default: one a core, fewer for few images.
    Returns:
        the images that can be decoded, in the same order, and the `id`s of the others.
    Raises:
        ValueError: an image cannot be decoded and `on_bad_image` is "error"; names the first five.
    """
    from datasets import Features, Image, Value

    if on_bad_image not in ("error", "skip"):
        raise ValueError(f"on_bad_image is {on_bad_image!r}; choose error or skip")
    wanted = min(processes or os.cpu_count() or 1, 1 + len(dataset) // _IMAGES_PER_PROCESS)
    undecoded = dataset.select_columns(["image"]).cast_column("image", Image(decode=False))
    faults = undecoded.map(
        _faults,
        batched=True,
        batch_size=200,
        input_columns="image",
        remove_columns="image",
        features=Features({"fault": Value("string")}),
        num_proc=wanted if wanted > 1 else None,
        load_from_cache_file=False,  # a file may have changed since
        desc="decoding images",
    )["fault"][:]
    bad = [row for row, fault in enumerate(faults) if fault]
    if not bad:
        return dataset, []
    ids = dataset.select(bad)["id"][:]
    if on_bad_image == "error":
        listed = "; ".join(f"{name} ({faults[row]})" for name, row in zip(ids[:5], bad[:5], strict=True))
        raise ValueError(
            f"{len(bad):,} of {len(dataset):,} images cannot be decoded, first {listed}; copy or unpack them "
            "again, or pass on_bad_image='skip' to leave them out"
        )
    return dataset.select([row for row, fault in enumerate(faults) if not fault]), ids


def _faults(images: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Why each image, given as bytes or path, cannot be decoded; "" where it can."""
    from PIL import ImageFile

    # Other libraries set this switch for the whole process; with it a file that was cut short passes as gray.
    lenient, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        sources = [image["path"] if image["bytes"] is None else image["bytes"] for image in images]
        return {"fault": [_fault(source) for source in sources]}
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = lenient


def _fault(source: str | bytes) -> str:
    import PIL.Image

    try:
        with PIL.Image.open(BytesIO(source) if isinstance(source, bytes) else source) as picture:
            picture.draft("RGB", (max(1, picture.width // 8), max(1, picture.height // 8)))
            picture.load()
    # Pillow's decoders raise OSError mostly, and these for damaged headers and chunks.
    except (OSError, SyntaxError, ValueError, EOFError, PIL.Image.DecompressionBombError) as error:
        return f"{type(error).__name__}: {error}"[:200]
    return ""
