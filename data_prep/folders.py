"""Which files below a folder are pictures, judged by their names; nothing is opened."""

from __future__ import annotations

import os
from pathlib import Path

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".pgm", ".ppm")


def find_pictures(root: Path) -> tuple[list[str], list[str]]:
    """List the files below a folder, in every depth, sorted.

    Hidden files and folders (their names begin with a dot) are passed over; links to folders are not followed.

    Returns:
        pictures, and files that are none, as paths relative to `root` with '/' on every system.
    Raises:
        FileNotFoundError: the folder does not exist.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"folder {root} does not exist; give the folder that holds the images")
    pictures, others = [], []
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                path = (Path(folder) / name).relative_to(root).as_posix()
                (pictures if path.lower().endswith(SUFFIXES) else others).append(path)
    return sorted(pictures), sorted(others)
