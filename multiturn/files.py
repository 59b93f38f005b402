"""Files: written so that a full disk or a killed process leaves the old one whole, and found below a folder by name.

No format lives here.
"""

import fcntl
import glob
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path, PureWindowsPath
from typing import Literal
from unicodedata import category

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff"),
    *(".pbm", ".pgm", ".ppm", ".pnm"),
)

logger = logging.getLogger(__name__)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the place of `path` in one step.

    Whatever happens inside the block, `path` holds either its old content or the whole new one. What writers that were
    killed have left beside it is removed; those that are at work are left alone, and the last to finish wins.

    Raises:
        OSError: the folder cannot be written or the disk is full; `path` is then untouched.
    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "numbers.txt"
        >>> with atomic_file(target) as temporary:
        ...     _ = temporary.write_text("1 2 3")
        >>> target.read_text()
        '1 2 3'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left(path.parent, f".{glob.escape(path.name)}.*.partial")
    temporary, handle = _own(lambda: _new_file(path))
    try:
        yield temporary
        _to_disk(temporary)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        _to_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def _new_file(path: Path) -> Path:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    os.close(handle)
    return Path(name)


def _own(make: Callable[[], Path]) -> tuple[Path, int]:
    """A new file or folder, and a handle that locks it until it is closed or this process ends.

    Some file systems have no locks; there, nothing that is left is removed, either.
    """
    while True:
        path = make()
        with suppress(FileNotFoundError):
            handle = os.open(path, os.O_RDONLY)
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
            if path.exists():  # nobody took it for left before it was locked
                return path, handle
            os.close(handle)


def _remove_left(folder: Path, pattern: str) -> None:
    """Remove temporary files and folders whose writers are gone."""
    for path in folder.glob(pattern):
        with suppress(OSError):  # its writer is at work, or has just finished
            handle = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            finally:
                os.close(handle)


@contextmanager
def held_folder(path: Path) -> Iterator[None]:
    """Hold a folder, made if there is none, for this process alone; in the end it is removed where it is empty.

    Some file systems have no locks; there, nobody is kept out.

    Raises:
        BlockingIOError: another process holds it.
    """
    handle = _hold(path)
    try:
        yield
    finally:
        with suppress(OSError):  # something is left in it, or it is gone
            if os.path.samestat(os.fstat(handle), path.stat()):
                path.rmdir()
        os.close(handle)


def _hold(path: Path) -> int:
    while True:
        path.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # whoever held it has removed it meanwhile
            handle = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                raise
            except OSError:
                return handle
            if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
                return handle
            os.close(handle)


def commit_folder(partial: Path, path: Path) -> None:
    """Give a finished folder its final name, in one step, after its files have reached the disk.

    Raises:
        FileExistsError: `path` exists and is not empty. A finished folder is never replaced: give each version
            its own name.
    """
    if path.exists() and any(path.iterdir()):
        raise FileExistsError(f"{path} exists; choose another folder or delete it first")
    for inner in (*partial.rglob("*"), partial):
        _to_disk(inner)
    os.replace(partial, path)
    _to_disk(path.parent)


def remove_folder(path: Path) -> None:
    """Delete a folder if there is one; killed meanwhile, it leaves the whole folder or none of that name."""
    hidden = path.with_name(f".{path.name}.removed")
    shutil.rmtree(hidden, ignore_errors=True)
    if path.exists():
        os.replace(path, hidden)
        shutil.rmtree(hidden)


@contextmanager
def atomic_files(folder: Path, last: str = "") -> Iterator[Path]:
    """Yield a temporary folder; on success each file in it takes the place of its namesake in `folder`.

    For writers that name their files themselves. Each file is replaced in one step, in the order of their names. What
    writers that were killed have left is removed.

    Args:
        last: name of the file to replace after all others: the one that says that the rest is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _remove_left(folder, ".files-*.partial")
    partial, handle = _own(lambda: Path(tempfile.mkdtemp(prefix=".files-", suffix=".partial", dir=folder)))
    try:
        yield partial
        for file in sorted(partial.iterdir(), key=lambda file: (file.name == last, file.name)):
            _to_disk(file)
            os.replace(file, folder / file.name)
        _to_disk(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, all or nothing."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def first_with(name: str, *folders: Path | None) -> Path:
    """`name` in the first of the folders that holds it, or else in the last one; None stands for no folder.

    Example:
        >>> str(first_with("faces", None, Path("run")))
        'run/faces'
    """
    there = [folder for folder in folders if folder is not None]
    return next((folder for folder in there if (folder / name).exists()), there[-1]) / name


def find_pictures(root: Path) -> tuple[list[str], list[str]]:
    """List the files below a folder, in every depth, sorted; they are judged by their names, and none is opened.

    Hidden files and folders (their names begin with a dot) are passed over. Links that lead nowhere count by their
    names: a disk may be away for a moment.

    Returns:
        pictures, and whatever is none: other files, pipes and sockets, and links to folders, which are not followed;
        as paths relative to `root` with '/' on every system.
    Raises:
        FileNotFoundError: the folder does not exist.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"folder {root} does not exist; give the folder that holds the images")
    pictures, others = [], []
    for folder, inner, names in os.walk(root):
        below = Path(folder).relative_to(root)
        inner[:] = [name for name in inner if not name.startswith(".")]
        others += [(below / name).as_posix() for name in inner if os.path.islink(os.path.join(folder, name))]
        for name in names:
            if not name.startswith("."):
                path = os.path.join(folder, name)
                is_one = name.lower().endswith(SUFFIXES) and (os.path.isfile(path) or not os.path.exists(path))
                (pictures if is_one else others).append((below / name).as_posix())
    return sorted(pictures), sorted(others)


def check_names(root: Path, names: list[str], on_bad_image: Literal["error", "skip"]) -> tuple[list[str], list[str]]:
    """Refuse or leave out files whose names cannot be ids, which are written as UTF-8 and read on every system.

    Returns:
        the names that can be ids, and those that cannot, which are logged.
    Raises:
        ValueError: there are some and `on_bad_image` is "error"; the first is named.
    """
    faults = {name: fault for name in names if (fault := fault_of_name(name))}
    for name, fault in faults.items():
        told = f"{name!r} in {root} {fault}"
        if on_bad_image == "error":
            raise ValueError(
                f"the file name {told}; rename it (of {len(faults):,} such), or leave such pictures out with "
                "on_bad_image skip"
            )
        logger.warning("left out: the file name %s", told)
    return [name for name in names if name not in faults], [*faults]


def fault_of_name(name: str) -> str:
    """Why a path cannot be an id; "" where it can.

    Example:
        >>> fault_of_name("a/Bär 1.jpg"), fault_of_name("two" + chr(10) + "lines.jpg")
        ('', 'holds a line break or a control character, or is not UTF-8')
    """
    if "\\" in name or PureWindowsPath(name).drive:
        return "has a backslash or colon, by which Windows would take it for a path"
    return "holds a line break or a control character, or is not UTF-8" if is_unwritable(name) else ""


def is_unwritable(text: str) -> bool:
    """Whether a line break, a control character or what is no UTF-8 is in a text; spaces of any kind may be."""
    return not text.isprintable() and any(category(sign) in ("Cc", "Cs", "Zl", "Zp") for sign in text)


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file, read in parts, in hexadecimal digits."""
    found = sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 24):
            found.update(part)
    return found.hexdigest()


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
