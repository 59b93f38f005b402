"""What every drawn data set shares: many pictures at once, PNG bytes, and a folder that is whole or not there."""

from __future__ import annotations

import io
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from jaxtyping import UInt8
from numpy import ndarray

if TYPE_CHECKING:
    from datasets import DatasetDict

PICTURES_PER_PROCESS = 250  # about a second of drawing; fewer need no second process

Drawn = TypeVar("Drawn")


def draw_in_order(
    draw: Callable[..., Drawn], *columns: Sequence | ndarray, what: str, processes: int | None
) -> Iterator[Drawn]:
    """Yield `draw` of every row of `columns`, in order, with a progress bar; the same for any `processes`.

    Args:
        draw: of one row; a function of a module, so that other processes find it.
        columns: equally long; the arguments of `draw`.
        what: is drawn, in the plural, for the progress bar.
        processes: how many draw at once; None takes one a core, and one alone for few pictures.
    """
    from tqdm import tqdm

    count = len(columns[0])
    if processes is None:
        processes = min(os.cpu_count() or 1, max(1, count // PICTURES_PER_PROCESS))
    bar = partial(tqdm, total=count, desc=f"drawing {what}", unit=what.removesuffix("s"), disable=None)
    if processes == 1:
        yield from bar(map(draw, *columns))
        return
    # Forked workers need no import and no guard in the caller's script; they use numpy and PIL only.
    method = "fork" if sys.platform == "linux" else "spawn"
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context(method)) as pool:
        yield from bar(pool.map(draw, *columns, chunksize=50))


def png_bytes(picture: UInt8[ndarray, "row column 3"]) -> bytes:
    """Write a picture as the bytes of a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG", compress_level=3)
    return file.getvalue()


def kept(draw: Callable[[], DatasetDict], folder: Path) -> DatasetDict:
    """Read a data set from `folder`, or draw it and keep it there."""
    from datasets import DatasetDict

    if not folder.is_dir():
        save_whole(draw(), folder)
    return DatasetDict.load_from_disk(str(folder))


def save_whole(splits: DatasetDict, folder: Path) -> None:
    """Save so that `folder` either holds all of the data set or does not exist."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        splits.save_to_disk(str(unfinished))
        os.replace(unfinished, folder)
    except OSError:
        if not folder.is_dir():  # Otherwise another process drew the same pictures first.
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
