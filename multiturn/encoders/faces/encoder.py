"""From pictures to vectors of faces: detect, choose, align, embed; each step has a module of its own."""

from typing import Any, Literal

import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from multiturn.encoders.faces import LEAST_SIDE, FaceDetector, FaceEmbedder, FaceEncoding, FoundFaces
from multiturn.encoders.faces.alignment import aligned, boxed, central, largest, pixels_of
from multiturn.encoders.opened import opened

_RULES = {"central": central, "largest": largest}


class FaceEncoder:
    """One vector a picture, of one of its faces.

    Args:
        embedder: makes the vectors.
        detector: finds faces; None: each picture is one face already, whole or inside `crop`.
        align: turn and scale a found face by its landmarks, or cut out its box.
        margin: of the box in pixels of the embedder's input.
        crop: left, top, right, bottom in pixels; where the face is in every picture, as in data sets that are
            aligned with room around the face.
        choose: which of several faces; see `central` and `largest` in `multiturn.encoders.faces.alignment`.
    Raises:
        ValueError: a crop and a detector, or a crop that is empty.
    """

    def __init__(
        self,
        embedder: FaceEmbedder,
        detector: FaceDetector | None = None,
        align: Literal["landmarks", "box"] = "landmarks",
        margin: int = 0,
        crop: tuple[int, int, int, int] | None = None,
        choose: Literal["central", "largest"] = "central",
    ) -> None:
        if crop is not None and (detector is not None or crop[0] >= crop[2] or crop[1] >= crop[3] or min(crop) < 0):
            raise ValueError(f"crop is left, top, right, bottom, and needs no detector; it is {crop}")
        if align not in ("landmarks", "box") or choose not in _RULES:
            raise ValueError(f"align is landmarks or box and choose central or largest, not {align!r} and {choose!r}")
        if not 0 <= margin < min(embedder.height, embedder.width):
            raise ValueError(f"margin is in pixels of the embedder's input and smaller than it, not {margin}")
        self._embedder, self._detector, self._crop = embedder, detector, crop
        self._align, self._margin, self._rule = align, margin, _RULES[choose]
        found = f"{detector.fingerprint}-{choose}-{align}-{margin}" if detector else f"crop-{crop}" if crop else "whole"
        self.fingerprint = f"face-{embedder.fingerprint}-{found}"

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._embedder.dim

    def encode(self, items: Any, batch_size: int = 64, show_progress: bool = False) -> Float[Tensor, "item dim"]:
        """See `multiturn.encoders.Encoder.encode`.

        Raises:
            ValueError: a picture has no face; use `encode_faces` where that can happen.
        """
        encoding = self.encode_faces(items, batch_size, show_progress)
        if encoding.without_face:
            listed = ", ".join(encoding.without_face[:5])
            raise ValueError(
                f"no face was found in {len(encoding.without_face)} of {len(items)} pictures, first {listed}; leave "
                "them out, or use encode_faces, which lists them"
            )
        return encoding.vectors

    def encode_faces(self, items: Any, batch_size: int = 64, show_progress: bool = False) -> FaceEncoding:
        """Encode the pictures that have a face, and list the others.

        Args:
            items: a data set with an `image` column, and `id`s or else row numbers as ids; or a list of pictures.
            batch_size: faces that are embedded at once; pictures are searched one by one.
            show_progress: show a bar.
        Raises:
            ValueError: a picture cannot be decoded, or does not contain `crop`; it is named.
        """
        ids, boxes, counts, without = [], [], [], []
        vectors: list[Tensor] = []
        waiting: list[Tensor] = []
        for name, image in tqdm(
            opened(items), total=len(items), desc="faces", unit="image", disable=not show_progress, leave=False
        ):
            cut = self._cut(name, image)
            if cut is None:
                without.append(name)
                continue
            pixels, box, count = cut
            ids.append(name)
            boxes.append(box)
            counts.append(count)
            waiting.append(pixels)
            if len(waiting) == batch_size:
                vectors.append(self._embedder.embed(torch.stack(waiting)))
                waiting = []
        if waiting:
            vectors.append(self._embedder.embed(torch.stack(waiting)))
        return FaceEncoding(
            tuple(ids),
            torch.cat(vectors) if vectors else torch.empty(0, self.dim),
            torch.stack(boxes) if boxes else torch.empty(0, 4),
            tuple(counts),
            tuple(without),
        )

    def _cut(
        self, name: str, image: Image.Image
    ) -> tuple[UInt8[Tensor, "3 height width"], Float[Tensor, "4"], int] | None:
        """The face's pixels, its box and the number of faces; None where there is no face."""
        height, width = self._embedder.height, self._embedder.width
        shares = torch.tensor([image.width, image.height, image.width, image.height])
        if self._crop is not None:
            if image.width < self._crop[2] or image.height < self._crop[3]:
                raise ValueError(
                    f"image {name!r}, {image.width} x {image.height} pixels, does not contain the crop {self._crop}"
                )
            cut = image.crop(self._crop).resize((width, height), Image.Resampling.BILINEAR)
            return pixels_of(cut), torch.tensor(self._crop) / shares, 1
        if min(image.size) < LEAST_SIDE:
            return None
        if self._detector is None:
            return pixels_of(image.resize((width, height), Image.Resampling.BILINEAR)), torch.tensor([0.0, 0, 1, 1]), 1
        found = _usable(self._detector.find(image), image.width, image.height)
        if not len(found):
            return None
        place = self._rule(found, image.width, image.height)
        box = found.boxes[place]
        if self._align == "landmarks":
            pixels = aligned(image, found.landmarks[place], height, width)
        else:
            pixels = boxed(image, box, self._margin, height, width)
        return pixels, (box / shares).clamp(0, 1), len(found)


def _usable(found: FoundFaces, width: int, height: int) -> FoundFaces:
    """Without faces that cannot be cut out: no pixel of the box in the picture, or all landmarks in one place."""
    inside = found.boxes.clamp(min=0).minimum(torch.tensor([width, height, width, height]))
    kept = ((inside[:, 2:] - inside[:, :2]) >= 1).all(1)
    kept &= (found.landmarks - found.landmarks.mean(1, keepdim=True)).abs().amax((1, 2)) >= 1
    return FoundFaces(found.boxes[kept], found.landmarks[kept], found.scores[kept])
