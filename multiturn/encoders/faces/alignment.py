"""Which face of a picture, and cutting it out in one position and size; detecting and embedding live elsewhere."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from multiturn.encoders.faces import FoundFaces

# Where ArcFace's releases put the five landmarks in a face of 112 x 112 (insightface, face_align.py).
TEMPLATE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))


def central(found: FoundFaces, width: int, height: int) -> int:
    """Position of the face whose box has its centre nearest the picture's; of two alike, the surer one.

    Photographers put whom they mean in the middle; the largest face may be a passer-by's.

    Example:
        >>> boxes = torch.tensor([[0.0, 0.0, 60.0, 60.0], [45.0, 45.0, 55.0, 55.0]])
        >>> central(FoundFaces(boxes, torch.zeros(2, 5, 2), torch.ones(2)), 100, 100)
        1
    """
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    return _first((centres - torch.tensor([width / 2, height / 2])).norm(dim=1), found.scores)


def largest(found: FoundFaces, width: int, height: int) -> int:
    """Position of the face with the largest box; of two alike, the surer one."""
    return _first(-(found.boxes[:, 2:] - found.boxes[:, :2]).prod(1), found.scores)


def template(height: int, width: int) -> Float[Tensor, "5 2"]:
    """Where the landmarks belong in an aligned face: ArcFace's places, scaled to the height and centred."""
    places = torch.tensor(TEMPLATE, dtype=torch.float64)
    scale = height / 112
    return torch.stack([(places[:, 0] - 56) * scale + width / 2, places[:, 1] * scale], 1)


def similarity(points: Float[Tensor, "point 2"], wanted: Float[Tensor, "point 2"]) -> tuple[complex, complex]:
    """Rotation with scale `a`, and shift `b`, for which a z + b is nearest `wanted` in least squares.

    Points are taken as complex numbers x + iy, so that no solution mirrors the face.

    Raises:
        ValueError: all points are one.
    Example:
        >>> similarity(torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.tensor([[1.0, 1.0], [2.0, 1.0]]))
        ((0.5+0j), (1+1j))
    """
    z = points.double().numpy() @ np.array([1, 1j])
    w = wanted.double().numpy() @ np.array([1, 1j])
    spread = float((abs(z - z.mean()) ** 2).sum())
    if not spread > 0:
        raise ValueError(f"all landmarks are at {points[0].tolist()}, which no rotation and scale can align")
    a = complex(((z - z.mean()).conj() * (w - w.mean())).sum() / spread)
    return a, complex(w.mean() - a * z.mean())


def aligned(
    image: Image.Image, landmarks: Float[Tensor, "5 2"], height: int, width: int
) -> UInt8[Tensor, "3 height width"]:
    """Turn, scale and shift a picture so that the landmarks come nearest their places; black outside it."""
    a, b = similarity(landmarks, template(height, width))
    # A large face is first averaged down; sampling it alone would skip pixels.
    shrink = max(1, int(1 / abs(a)))
    image, a = image.reduce(shrink), a * shrink
    back = 1 / a
    shift = -b / a
    # Pillow asks where in the picture a pixel of the result comes from.
    matrix = (back.real, -back.imag, shift.real, back.imag, back.real, shift.imag)
    cut = image.transform((width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return pixels_of(cut)


def boxed(
    image: Image.Image, box: Float[Tensor, "4"], margin: int, height: int, width: int
) -> UInt8[Tensor, "3 height width"]:
    """Cut out a box with a margin, and resize it without keeping its shape.

    Args:
        margin: in pixels of the result, on both sides together.
    Source:
        timesler/facenet-pytorch, models/utils/detect_face.py, `extract_face`.
    """
    left, top, right, bottom = box.tolist()
    across, down = margin * (right - left) / (width - margin) / 2, margin * (bottom - top) / (height - margin) / 2
    corners = (
        int(max(left - across, 0)),
        int(max(top - down, 0)),
        int(min(right + across, image.width)),
        int(min(bottom + down, image.height)),
    )
    return pixels_of(image.crop(corners).resize((width, height), Image.Resampling.BILINEAR))


def pixels_of(image: Image.Image) -> UInt8[Tensor, "3 height width"]:
    """Pixels of an RGB picture, channels first."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def _first(values: Float[Tensor, " face"], scores: Float[Tensor, " face"]) -> int:
    """Position of the lowest value, and of the highest score among equals."""
    return min(range(len(values)), key=lambda place: (float(values[place]), -float(scores[place])))
