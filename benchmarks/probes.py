"""Two known results of real weights on real pictures: where they come out, weights and preprocessing are right."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.program import save, start
from benchmarks.simulated import REAL_DATA
from multiturn.encoders.catalogue import EncoderSettings
from multiturn.settings import at_least

if TYPE_CHECKING:
    from torch import Tensor

EXAMPLES = """examples:
  RETRIEVAL_REAL_DATA=/data/real python -m benchmarks.probes
  python -m benchmarks.probes --data /data/real --limit 10 --output runs/bench
"""
CROP = (72, 58, 178, 182)  # of LFW's 250 x 250 pixels, where the face is: 106 x 124, as wide to high as the input
PEOPLE = 500


@dataclass(frozen=True)
class Probe:
    """What was found, and between what it should lie.

    Attributes:
        what: was measured.
        encoder: its fingerprint.
        pictures: that were encoded.
        classes: species or people.
        found: share of right answers.
        least: that the share should be; None where only a part of the data was looked at.
        most: likewise.
        without_face: pictures in which no face was found; they count as wrong.
        seconds: that encoding took, with decoding.
    """

    what: str
    encoder: str
    pictures: int
    classes: int
    found: float
    least: float | None
    most: float | None
    without_face: int
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether the share is what it should be, or nothing is known of it."""
        return (self.least is None or self.found >= self.least) and (self.most is None or self.found <= self.most)


def probes(
    data: Path | None = None, limit: int | None = None, batch_size: int = 64, output: Path | None = None
) -> dict[str, Any]:
    """Measure how often the nearest other bird is of the same species, and the nearest other face of the same person.

    Birds: pooled SqueezeNet at 227 pixels by cosine, each picture against all others; .60 within .02 is right. Faces:
    MobileFaceNet on the first two pictures of the first 500 people with two or more; the first one looks for the
    second among the second ones of all. At least .92 is right with a fixed crop, and more with faces that MTCNN found
    and that were aligned by their landmarks.

    Args:
        data: folder with cub, lfw and weights; that which RETRIEVAL_REAL_DATA names if not given.
        limit: only the first so many species and people, of which nothing is known beforehand; all if not given.
        batch_size: pictures at once.
        output: folder for probes.json; benchmarks/results if not given.
    """
    for name, value in (("limit", limit), ("batch_size", batch_size)):
        if value is not None:
            at_least(name, value, 2)
    root = real_data(data)
    cropped = _faces(root, limit, batch_size, found_by_mtcnn=False, least=0.92)
    found = [
        _birds(root, limit, batch_size),
        cropped,
        _faces(root, limit, batch_size, found_by_mtcnn=True, least=cropped.found + 0.5 / PEOPLE),  # a person more
    ]
    for probe in found:
        wanted = "" if probe.least is None else f", {'as it should' if probe.holds else 'NOT as it should'}"
        print(f"{probe.what}: {probe.found:.3f}{wanted} ({probe.pictures:,} pictures, {probe.seconds:.0f} s)")
    settings = {"limit": limit, "batch_size": batch_size}
    measured = {"probes": [asdict(probe) | {"holds": probe.holds} for probe in found]}
    result = save("probes", settings, measured, output)
    if wrong := [probe.what for probe in found if not probe.holds]:
        raise ValueError(f"{'; '.join(wrong)}: not as it should; look at the weights and at the preprocessing")
    return result


def real_data(folder: Path | None) -> Path:
    """The folder of real data.

    Raises:
        ValueError: none is named.
        FileNotFoundError: there is none.
    """
    if folder is None and REAL_DATA not in os.environ:
        raise ValueError(f"{REAL_DATA} is not set; name the folder with cub, flickr8k, lfw and weights in it by --data")
    root = folder or Path(os.environ[REAL_DATA])
    if not (root / "weights").is_dir():
        raise FileNotFoundError(f"{root} holds no folder weights; name the folder with cub, flickr8k, lfw and weights")
    return root


def squeezenet(root: Path, **options: Any) -> EncoderSettings:
    """SqueezeNet 1.1 of ImageNet."""
    return EncoderSettings("squeezenet", weights=str(root / "weights" / "squeezenet1.1_notop_oihw.npz"), **options)


def mobilefacenet(root: Path, found_by_mtcnn: bool) -> EncoderSettings:
    """MobileFaceNet, on the fixed crop or on faces that MTCNN found."""
    named: dict[str, Any] = dict(embedder="mobilefacenet", weights=str(root / "weights" / "mobilefacenet_068.ckpt"))
    if found_by_mtcnn:
        return EncoderSettings("faces", **named, detector="mtcnn", detector_weights=str(root / "weights"))
    return EncoderSettings("faces", **named, detector="none", crop=CROP)


def nearest_of_same_class(vectors: Tensor, labels: Tensor) -> float:
    """Share of vectors of length 1 whose nearest other one by cosine has the same label.

    Example:
        >>> import torch
        >>> nearest_of_same_class(torch.eye(3)[[0, 0, 1, 2]], torch.tensor([7, 7, 8, 9]))
        0.5
    """
    similar = (vectors @ vectors.T).fill_diagonal_(-2)
    return float((labels[similar.argmax(1)] == labels).double().mean())


def rank_1(first: Tensor, second: Tensor, known: Tensor) -> float:
    """Share of people whose first vector is nearest to their second one, among the second ones of all.

    Args:
        known: of which people both pictures have a vector; the others count as wrong, and their rows as nothing.
    """
    scores = (first @ second.T).masked_fill(~known, -2)
    nearest = scores.argmax(1)
    return float(((nearest == nearest.new_tensor(range(len(nearest)))) & known).double().mean())


def _birds(root: Path, limit: int | None, batch_size: int) -> Probe:
    import torch
    from datasets import concatenate_datasets

    from data_prep.cub import load
    from multiturn.encoders.catalogue import make_encoder
    from multiturn.processes import own_device

    rows = concatenate_datasets(list(load(root / "cub", check_images=False).splits.values()))
    labels = torch.tensor(rows["label"][:])
    chosen = torch.isin(labels, labels.unique()[:limit])
    rows, labels = rows.select(chosen.nonzero().flatten().tolist()), labels[chosen]
    encoder: Any = make_encoder(squeezenet(root, normalise=True), own_device())
    begun = time.perf_counter()
    vectors = encoder.encode(rows, batch_size, show_progress=True)
    seconds = time.perf_counter() - begun
    found, classes = nearest_of_same_class(vectors, labels), len(labels.unique())
    least, most = (0.58, 0.62) if limit is None else (None, None)
    what = "CUB, the nearest other picture by pooled SqueezeNet at 227 pixels is of the same species"
    return Probe(what, encoder.fingerprint, len(rows), classes, found, least, most, 0, seconds)


def _faces(root: Path, limit: int | None, batch_size: int, found_by_mtcnn: bool, least: float) -> Probe:
    import torch

    from data_prep.lfw import load
    from multiturn.encoders.catalogue import make_encoder
    from multiturn.encoders.faces.encoder import FaceEncoder
    from multiturn.processes import own_device

    mated = load(root / "lfw", check_images=False).splits["mated"]
    pairs: dict[str, list[int]] = {}
    for row, person in enumerate(mated["person"]):
        pairs.setdefault(person, []).append(row)
    people = sorted(pairs)[: min(limit or PEOPLE, PEOPLE)]
    rows = mated.select([row for person in people for row in pairs[person][:2]])
    encoder = make_encoder(mobilefacenet(root, found_by_mtcnn), own_device())
    assert isinstance(encoder, FaceEncoder)
    begun = time.perf_counter()
    encoding = encoder.encode_faces(rows, batch_size, show_progress=True)
    seconds = time.perf_counter() - begun
    places = {name: place for place, name in enumerate(rows["id"])}
    vectors, known = torch.zeros(len(rows), encoder.dim), torch.zeros(len(rows), dtype=torch.bool)
    for name, vector in zip(encoding.ids, encoding.vectors, strict=True):
        vectors[places[name]], known[places[name]] = vector, True
    found = rank_1(vectors[::2], vectors[1::2], known[::2] & known[1::2])
    how = "faces found by MTCNN and aligned" if found_by_mtcnn else "a fixed crop"
    what = f"LFW, the nearest second picture by MobileFaceNet on {how} is of the same person"
    wanted = least if limit is None else None
    lost = len(encoding.without_face)
    return Probe(what, encoder.fingerprint, len(rows), len(people), found, wanted, None, lost, seconds)


if __name__ == "__main__":
    start(probes, "probes", EXAMPLES)
