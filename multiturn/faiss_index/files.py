"""Files of an index beside its gallery: what faiss writes, and of which gallery and how it was made."""

import json
import sys
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from multiturn.faiss_index.index import FaissIndex, build_index, chosen, ready
from multiturn.files import atomic_files, digest_of_file
from multiturn.gallery import Gallery
from multiturn.gallery_files import gallery_path
from multiturn.index_settings import Effort, IndexSettings
from multiturn.scoring import Similarity

SCHEMA = 1
INDEX, ABOUT = "index.faiss", "index.json"
_READ_AT_ONCE = 1 << 24
_REMEDY = "build it with python -m eval.certify"


def index_folder(gallery: Path, settings: IndexSettings) -> Path:
    """Where the index of a gallery's file lies: a folder of its own beside that file.

    Args:
        gallery: the file or its folder.
        settings: with a factory.
    Raises:
        FileNotFoundError: no such gallery.
    Example:
        faces/gallery.safetensors -> faces/gallery.indexes/HNSW32.l2
    """
    file = gallery_path(gallery)
    return file.with_name(f"{file.stem}.indexes") / settings.name


def save_index(index: FaissIndex, folder: Path | str) -> Path:
    """Write an index; each of its two files is replaced in one step, and they name each other.

    Returns:
        `folder`.
    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    from multiturn.faiss_library import faiss

    folder = Path(folder)
    with atomic_files(folder) as partial:
        try:
            faiss.write_index(index.on_disk, str(partial / INDEX))
        except RuntimeError as reason:
            raise OSError(f"{folder / INDEX} could not be written: {reason}; free some space") from reason
        about = {
            "schema": SCHEMA,
            "digest": digest_of_file(partial / INDEX),
            "bytes": (partial / INDEX).stat().st_size,
            "gallery": identity(index.gallery),
            "settings": asdict(index.settings),
            "build_seconds": index.build_seconds,
            "faiss": faiss.__version__,
        }
        (partial / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return folder


def load_index(folder: Path | str, gallery: Gallery, effort: Effort | None = None) -> FaissIndex:
    """Read an index that `save_index` wrote.

    Args:
        folder: of the index.
        gallery: that it was built of.
        effort: in place of the one that it was saved with.
    Raises:
        FileNotFoundError: no index there.
        ValueError: a damaged one, one of another schema, or one of another gallery.
    """
    from multiturn.faiss_library import faiss

    folder = Path(folder)
    about = read_about(folder)
    own, asked = about["gallery"], identity(gallery)
    if wrong := [name for name in asked if own.get(name) != asked[name]]:
        raise ValueError(
            f"the index in {folder} was built of another gallery ({wrong[0]} was {own.get(wrong[0])!r} and is "
            f"{asked[wrong[0]]!r}); {_REMEDY} again"
        )
    if digest_of_file(folder / INDEX) != about["digest"]:
        raise ValueError(f"{folder / INDEX} is not the file that {ABOUT} speaks of, or is damaged; {_REMEDY} again")
    settings = settings_of(about)
    if effort is not None:
        settings = replace(settings, effort=effort)
    return ready(gallery, settings, faiss.read_index(str(folder / INDEX)), about["build_seconds"])


def opened_index(folder: Path, gallery: Gallery, settings: IndexSettings, fresh: bool = False) -> FaissIndex:
    """Read an index and set it to the settings' effort; build and save it first if it is not there.

    It is built again, and the reason printed, where the one in the folder is damaged, of another gallery, or was built
    with other settings.

    Args:
        folder: of the index.
        gallery: that is indexed.
        settings: how it is built and asked.
        fresh: build it again whatever is there.
    Raises:
        ValueError: settings that do not fit the gallery.
        OSError: the folder cannot be written.
    """
    settings = chosen(gallery, settings)
    if not fresh:
        try:
            index = load_index(folder, gallery, settings.effort)
            if index.settings == settings:
                return index
            reason = f"the index in {folder} was built with other settings"
        except (FileNotFoundError, ValueError) as refused:
            reason = str(refused).partition(";")[0]
        print(f"building {settings.name}: {reason}", file=sys.stderr)
    save_index(build_index(gallery, settings), folder)
    return load_index(folder, gallery, settings.effort)


def named_index(name: str, gallery: Gallery, beside: Path, similarity: Similarity = "l2") -> FaissIndex:
    """The index that a command line names; one by faiss's name is built and kept if it is not there.

    Args:
        name: its folder; or faiss's name of it, such as HNSW32, or 'usual' for that of a live page.
        gallery: that is indexed.
        beside: folder that keeps the indexes by faiss's name, each in a folder of its own.
        similarity: of those.
    Raises:
        FileNotFoundError: a folder that holds no index.
        ValueError: a damaged index, one of another gallery, or a name that faiss does not know.
        OSError: `beside` cannot be written.
    """
    if len(Path(name).parts) > 1 or Path(name).is_dir():
        return load_index(name, gallery)
    settings = chosen(gallery, IndexSettings("" if name == "usual" else name, similarity))
    return opened_index(beside / settings.name, gallery, settings)


def read_about(folder: Path) -> dict[str, Any]:
    """What is known of the index in a folder.

    Raises:
        FileNotFoundError: no index there.
        ValueError: a damaged file, or one of another schema.
    """
    path = Path(folder) / ABOUT
    if not (path.is_file() and (path.parent / INDEX).is_file()):
        raise FileNotFoundError(f"no index in {folder}; {_REMEDY}")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as reason:
        raise ValueError(f"{path} is damaged ({reason}); {_REMEDY} again") from reason
    if not isinstance(about, dict) or about.get("schema") != SCHEMA:
        raise ValueError(f"{path} does not describe an index of schema {SCHEMA}; {_REMEDY} again")
    return about


def settings_of(about: dict[str, Any]) -> IndexSettings:
    """The settings with which an index was built."""
    told = about["settings"]
    return IndexSettings(**{**told, "effort": Effort(**told["effort"])})


def identity(gallery: Gallery) -> dict[str, Any]:
    """What must be equal of two galleries, so that an index of one fits the other; all vectors are read once."""
    ids = sha256("\0".join(gallery.ids).encode()).hexdigest()
    numbers = sha256()
    rows = max(1, _READ_AT_ONCE // max(1, gallery.vectors[0].numel() * gallery.vectors.element_size()))
    for one in (gallery.vectors, *([] if gallery.mask is None else [gallery.mask])):
        for part in one.split(rows):
            numbers.update(part.contiguous().cpu().flatten().view(torch.uint8).numpy().data)
    return {
        "fingerprint": gallery.fingerprint,
        "shape": list(gallery.vectors.shape),
        "dtype": str(gallery.vectors.dtype),
        "ids": ids,
        "vectors": numbers.hexdigest(),
    }
