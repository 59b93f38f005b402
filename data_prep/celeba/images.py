"""CelebA's image files: where they lie; decoding is in `data_prep.pictures`, labels in `annotations`."""

from __future__ import annotations

import os
from pathlib import Path

from data_prep.pictures import check_pictures as check_images

__all__ = ["IMAGE_FOLDERS", "SUFFIXES", "check_images", "find_images"]

IMAGE_FOLDERS = ("Img/img_align_celeba", "img_align_celeba", "Img/img_align_celeba_png")
# In the order of preference where one image is there as both.
SUFFIXES = (".jpg", ".png")


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
