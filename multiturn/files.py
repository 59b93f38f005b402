"""Writing files so that a full disk or a killed process leaves the old one whole; no format lives here."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the place of `path` in one step.

    Whatever happens inside the block, `path` holds either its old content or the whole new one.

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
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _to_disk(temporary)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        _to_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


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

    For writers that name their files themselves. Each file is replaced in one step, in the order of their names.

    Args:
        last: name of the file to replace after all others: the one that says that the rest is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", suffix=".partial", dir=folder) as name:
        partial = Path(name)
        yield partial
        for file in sorted(partial.iterdir(), key=lambda file: (file.name == last, file.name)):
            _to_disk(file)
            os.replace(file, folder / file.name)
    _to_disk(folder)


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
