"""Finding faces, aligning and embedding them; this module has the protocols and what flows between the steps."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

# The smallest face that the detectors know; a picture that is smaller holds none.
LEAST_SIDE = 12


@dataclass(frozen=True)
class FoundFaces:
    """The faces that a detector found in one picture, in any order; maybe none.

    Attributes:
        boxes: left, top, right, bottom in pixels; may leave the picture.
        landmarks: x and y in pixels of the eye on the picture's left, the other eye, the tip of the nose, the corner of
            the mouth on the picture's left, the other corner.
        scores: how sure the detector is, in [0, 1].
    """

    boxes: Float[Tensor, "face 4"]
    landmarks: Float[Tensor, "face 5 2"]
    scores: Float[Tensor, " face"]

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class FaceEncoding:
    """The vectors of the pictures in which a face was found.

    Attributes:
        ids: of these pictures, in the order of the items.
        vectors: one each.
        boxes: of the face that was taken, as shares of width and height in [0, 1]; the whole picture where it came
            aligned already.
        faces: number of faces that were found in each of these pictures.
        without_face: ids of the other pictures, in the order of the items. They have no vector.
    """

    ids: tuple[str, ...]
    vectors: Float[Tensor, "face dim"]
    boxes: Float[Tensor, "face 4"]
    faces: tuple[int, ...]
    without_face: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.vectors) == len(self.boxes) == len(self.faces):
            raise ValueError(f"{len(self.ids)} ids, {len(self.vectors)} vectors and {len(self.boxes)} boxes of faces")


@runtime_checkable
class FaceDetector(Protocol):
    """Finds the faces of one picture."""

    @property
    def fingerprint(self) -> str:
        """Name, weights and thresholds."""
        ...

    def find(self, image: Image.Image) -> FoundFaces:
        """Find all faces of an RGB picture; the result lies on the CPU."""
        ...


@runtime_checkable
class FaceEmbedder(Protocol):
    """Makes a vector of each cut-out face."""

    height: int
    width: int

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    @property
    def fingerprint(self) -> str:
        """Name, weights and preprocessing."""
        ...

    def embed(self, faces: UInt8[Tensor, "face 3 height width"]) -> Float[Tensor, "face dim"]:
        """Embed RGB pixels of 0..255; the result lies on the CPU, in float32."""
        ...
