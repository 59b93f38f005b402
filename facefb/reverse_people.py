"""Faces with whose they are, and their galleries by several embedders over the same candidates; nothing is searched."""

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from datasets import Dataset

from data_prep.faces import Faces, load_faces
from facefb.features import make_encoder as make_network
from facefb.reverse_settings import EmbedderSettings, PeopleSettings
from multiturn.building import build
from multiturn.encoders import Encoder
from multiturn.encoders.catalogue import make_encoder
from multiturn.encoders.faces.encoder import FaceEncoder
from multiturn.encoders.regions import RegionEncoder
from multiturn.encoders.se_resnet import SEResNetEncoder
from multiturn.gallery import Gallery
from multiturn.gallery_files import GalleryFile
from multiturn.processes import launched
from multiturn.shards import Building


@dataclass(frozen=True)
class People:
    """Faces to search, and those of other people to train on.

    Attributes:
        images: with the columns `id` and `image`.
        person: id -> name.
        source: as tables print it.
        left_out: why images were left out, and how many.
        training: drawn faces of other people; None where nothing can be trained.
    """

    images: Dataset
    person: Mapping[str, str]
    source: str
    left_out: Mapping[str, int] = field(default_factory=dict)
    training: Faces | None = None


def load_people(settings: PeopleSettings, cache: Path) -> People:
    """Load LFW, or a part of it, or draw faces.

    Args:
        cache: folder where drawn faces are kept.
    Raises:
        FileNotFoundError: LFW is not where `root` says.
        ValueError: a file is damaged, or too few faces are to be drawn.
    """
    if settings.root is None:
        faces = load_faces(settings.drawn, cache)
        names = [str(number) for number in faces.test["identity"]]
        person = dict(zip(faces.test["id"], names, strict=True))
        images = faces.test.select_columns(["id", "image"])
        return People(images, person, f"{len(images):,} of {faces.source}", faces.left_out, faces)
    from datasets import concatenate_datasets

    from data_prep import lfw

    loaded = lfw.load(Path(settings.root), settings.bad_images)
    rows = concatenate_datasets([part for part in loaded.splits.values() if len(part)])
    person = dict(zip(rows["id"], rows["person"], strict=True))
    return People(rows.select_columns(["id", "image"]), person, loaded.source, loaded.left_out)


def make_embedder(
    settings: EmbedderSettings, people: People, folder: Path, device: torch.device, seed: int, resume: bool
) -> Encoder | RegionEncoder | FaceEncoder:
    """Make an embedder, trained first where it is a network to train.

    Args:
        folder: of a trained network.
        resume: use the network in `folder`, or go on training it.
    Raises:
        FileNotFoundError: no weights where the settings say.
        ValueError: weights of another network.
    """
    if settings.kind == "encoder":
        return make_encoder(settings.encoder, device)
    assert people.training is not None
    made = make_network(settings.network, people.training, folder, device, seed, resume)
    assert isinstance(made, SEResNetEncoder)
    return SEResNetEncoder(made.network, normalise=True)


def build_gallery(
    encoder: Encoder | RegionEncoder | FaceEncoder, people: People, path: Path, batch_size: int, old: Path | None = None
) -> tuple[Gallery, Mapping[str, int]]:
    """Encode all faces; pictures in which no face is found are left out and counted.

    Args:
        path: of the gallery; what an equal encoder has made of the same pictures is kept.
        old: a gallery whose vectors may be used again.
    Raises:
        ValueError: fewer than two pictures have a face.
    """
    if launched().is_main_process and old is not None and old.is_file() and not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(old, path)
    launched().wait_for_everyone()
    overwrite = path.is_file() and GalleryFile(path).fingerprint != encoder.fingerprint
    launched().wait_for_everyone()  # All have looked before one writes.
    ids = list(people.images["id"])
    how = Building(batch_size, 512, overwrite=overwrite, drop_removed=True)
    built = build(encoder, people.images, ids, people.source, path, how)
    return Gallery.load(path, made_by=encoder.fingerprint), Counter(built.left_out.values())


def same_candidates(galleries: Mapping[str, Gallery]) -> dict[str, Gallery]:
    """Keep the candidates that all galleries have: where one found no face, no other is asked either.

    Raises:
        ValueError: fewer than two are left.
    """
    common = set.intersection(*(set(gallery.ids) for gallery in galleries.values()))
    kept = {}
    for name, gallery in galleries.items():
        ids = [one for one in gallery.ids if one in common]
        rows = gallery.positions(ids)
        kept[name] = Gallery.of(ids, gallery.vectors[rows], gallery.fingerprint, gallery.source)
    return kept
