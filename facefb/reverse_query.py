"""Photos of a person as examples for a search, and the gallery that they are searched in with its own encoder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, Features, Image, Value
from jaxtyping import Float
from torch import Tensor

from data_prep.manifests import read_manifest
from data_prep.sources import DataSettings, read_source
from facefb.reverse_retriever import ExampleRetriever
from multiturn.encoders import Encoder
from multiturn.encoders.catalogue import EncoderSettings, make_encoder
from multiturn.encoders.faces.encoder import FaceEncoder
from multiturn.encoders.regions import RegionEncoder
from multiturn.gallery import Gallery
from multiturn.index import Index
from multiturn.pictures import read_picture
from multiturn.replies import ImageReply
from multiturn.session import Session, Turn


@dataclass(frozen=True)
class Example:
    """An encoded photo.

    Attributes:
        name: its path.
        vector: by the gallery's encoder.
        note: which face was taken where there are several, or empty.
    """

    name: str
    vector: Float[Tensor, " dim"]
    note: str = ""

    def reply(self) -> ImageReply:
        """What a session of one is told."""
        return ImageReply((self.name,), self.vector[None])


@dataclass(frozen=True)
class SearchedGallery:
    """A gallery of pictures, its encoder, and what its manifest says of the data."""

    gallery: Gallery
    encoder: Encoder | RegionEncoder | FaceEncoder
    data: Mapping[str, Any]

    def by(self, examples: Sequence[Example], top: int, index: Index | None = None) -> Turn:
        """Search with photos of one person or thing; a candidate that is a photo itself may come first.

        Args:
            top: candidates to find; all where there are fewer.
            index: an approximate one; without, the search is exact.
        Raises:
            ValueError: an index of another gallery or similarity.
        """
        retriever = ExampleRetriever(self.gallery.fingerprint, self_hit="keep")
        page = min(top, len(self.gallery))
        # An index proposes nothing to a session that has no example yet.
        opening = torch.arange(page)[None]
        session = Session(retriever, self.gallery, torch.zeros(1, dtype=torch.long), page, opening=opening, index=index)
        for example in examples:
            session.tell(example.reply())
        return session.show()


def read_examples(encoder: Encoder | RegionEncoder | FaceEncoder, files: Sequence[Path]) -> list[Example]:
    """Encode photos, one by one.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a photo cannot be decoded, or no face is found in it; it is named.
    """
    return [_example(encoder, file) for file in files]


def _example(encoder: Encoder | RegionEncoder | FaceEncoder, file: Path) -> Example:
    try:
        picture = read_picture(file)
    except FileNotFoundError:
        raise FileNotFoundError(f"no photo at {file}") from None
    if not isinstance(encoder, FaceEncoder):
        vectors = encoder.encode([picture])
        assert isinstance(vectors, Tensor)
        return Example(str(file), vectors[0])
    found = encoder.encode_faces([picture])
    if found.without_face:
        raise ValueError(f"no face was found in {file}; give another photo, with a larger face or one from the front")
    note = ""
    if found.faces[0] > 1:
        sides = torch.tensor([picture.width, picture.height, picture.width, picture.height])
        left, top, right, bottom = (found.boxes[0] * sides).round().int().tolist()
        note = (
            f"{file} shows {found.faces[0]} faces; the one from ({left}, {top}) to ({right}, {bottom}) was taken, cut "
            "the photo to take another"
        )
    return Example(str(file), found.vectors[0], note)


def open_gallery(
    path: Path, device: torch.device | str = "cpu", moved: Mapping[str, str] | None = None
) -> SearchedGallery:
    """Load a gallery that `python -m data_prep.encode` made, and make its encoder as the manifest describes it.

    Args:
        path: its folder, or the file in it.
        device: where to encode and search.
        moved: see `described`.
    Raises:
        FileNotFoundError: no gallery, or no weights where the manifest says.
        ValueError: no manifest; a gallery of texts or regions; fewer than two candidates; or weights that are not
            those that made the gallery.
    """
    settings, manifest = described(path, moved)
    if settings.items != "image" or manifest["regions"] is not None:
        raise ValueError(
            f"{path} holds {'regions' if manifest['regions'] is not None else 'texts'}; an image is searched for "
            "among images with one vector each"
        )
    gallery = Gallery.load(path)
    encoder = encoder_of(settings, device)
    gallery.check_made_by(encoder.fingerprint)
    return SearchedGallery(gallery.to(device), encoder, manifest["data"])


def described(path: Path, moved: Mapping[str, str] | None = None) -> tuple[EncoderSettings, dict[str, Any]]:
    """What the manifest of a gallery says of its encoder, and the manifest.

    Args:
        path: of the gallery: its folder, or the file in it.
        moved: settings of the encoder that name files (name, weights, detector_weights), where these lie elsewhere
            than the manifest says. That they are the same files, the fingerprint tells.
    Raises:
        ValueError: no manifest, or one with settings that are not known here or do not fit each other.
    """
    folder = path if path.is_dir() else path.parent
    manifest = read_manifest(folder)
    if not manifest:
        raise ValueError(
            f"{folder} has no manifest.json, which names the encoder; make it with python -m data_prep.encode"
        )
    return replace(encoder_settings(manifest["encoder"], folder), **(moved or {})), manifest


def encoder_of(settings: EncoderSettings, device: torch.device | str) -> Encoder | RegionEncoder | FaceEncoder:
    """Make an encoder that a manifest describes.

    Raises:
        FileNotFoundError: no weights there; or a ValueError, where they are no such model's. Both say how to name the
            files where they have moved.
    """
    try:
        return make_encoder(settings, device)
    except (FileNotFoundError, ValueError) as reason:
        kind = FileNotFoundError if isinstance(reason, OSError) else ValueError
        raise kind(
            f"{reason}; if the encoder's files lie elsewhere than when the gallery was made, give --encoder.weights, "
            "--encoder.detector_weights or --encoder.name"
        ) from reason


def encoder_settings(told: Mapping[str, Any], folder: Path) -> EncoderSettings:
    """Read the settings of an encoder from a manifest.

    Raises:
        ValueError: settings that are not known here.
    """
    known = {one.name for one in fields(EncoderSettings)}
    if strange := sorted(told.keys() - known):
        raise ValueError(
            f"{folder}/manifest.json has unknown settings of the encoder: {', '.join(strange)}; encode again"
        )
    given: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in told.items()}
    return EncoderSettings(**given)


def pictures_of(data: Mapping[str, Any], ids: Sequence[str], files: Sequence[str]) -> Dataset | None:
    """The pictures of some candidates and photos, in the columns `id` and `image`; a photo's id is its path.

    Args:
        data: from the manifest.
    Returns:
        None where the data is not where the manifest says.
    """
    known = {one.name for one in fields(DataSettings)}
    given = {name: one for name, one in data.items() if name in known and name != "label"}
    if "root" in given:
        given["root"] = Path(given["root"])
        if not given["root"].exists():
            return None
    items = read_source(DataSettings(**given)).items
    assert isinstance(items.values, Dataset)
    places = {name: place for place, name in enumerate(items.ids)}
    if any(name not in places for name in ids):
        return None
    rows = items.values.select([places[name] for name in ids]).select_columns(["image"])
    stored = [row["image"] for row in rows.cast_column("image", Image(decode=False))]  # pyright: ignore
    columns = {"id": [*ids, *files], "image": stored + [{"bytes": None, "path": file} for file in files]}
    return Dataset.from_dict(columns, Features({"id": Value("string"), "image": Image()}))
