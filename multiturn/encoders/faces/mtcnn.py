"""Detecting faces with MTCNN's cascade of three networks; the networks themselves live in `mtcnn_networks`."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, pad
from torchvision.ops import box_area, nms

from multiturn.encoders.faces import LEAST_SIDE, FoundFaces
from multiturn.encoders.faces.mtcnn_networks import OutputNetwork, ProposalNetwork, RefinementNetwork
from multiturn.encoders.state_dicts import fit, read_tensors
from multiturn.encoders.tf32 import without_tf32
from multiturn.encoders.weights import existing_file, weights_digest

SOURCE = "facenet-pytorch's releases"


class MTCNN:
    """The cascade: windows at all sizes, refined, then scored once more with landmarks.

    Args:
        pnet: file of the proposal network's state dict, as facenet-pytorch publishes it.
        rnet: of the refinement network.
        onet: of the output network.
        thresholds: least probability of a face after each network.
        least_face: side in pixels of the smallest face that is looked for.
        factor: by which the picture shrinks from size to size, in (0, 1).
        device: where to compute.
    Raises:
        FileNotFoundError: a file is missing.
        ValueError: one is of another network; each mismatch is named.
    Source:
        Zhang et al., 2016. Thresholds, factor, suppression and rounding as timesler/facenet-pytorch,
        models/utils/detect_face.py; windows that leave the picture are filled up with black, as the paper's own code
        does, where facenet-pytorch stretches what is left of them.
    """

    def __init__(
        self,
        pnet: str,
        rnet: str,
        onet: str,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7),
        least_face: int = 20,
        factor: float = 0.709,
        device: torch.device | str = "cpu",
    ) -> None:
        if not 0 < factor < 1 or least_face < LEAST_SIDE:
            raise ValueError(f"factor is in (0, 1) and least_face from {LEAST_SIDE} on, not {factor} and {least_face}")
        self._thresholds, self._least_face, self._factor = thresholds, least_face, factor
        self._device = torch.device(device)
        self._pnet, self._rnet, self._onet = ProposalNetwork(), RefinementNetwork(), OutputNetwork()
        networks = {"P-Net": (self._pnet, pnet), "R-Net": (self._rnet, rnet), "O-Net": (self._onet, onet)}
        weights = {}
        for name, (network, path) in networks.items():
            file = existing_file(path, f"MTCNN's {name}", SOURCE)
            fit(network, read_tensors(file, f"MTCNN's {name}"), file, f"MTCNN's {name}")
            network.eval().to(device)
            weights |= {f"{name}.{key}": value for key, value in network.state_dict().items()}
        self.fingerprint = f"mtcnn-{weights_digest(weights, [thresholds, least_face, factor])}"

    @torch.no_grad()
    @without_tf32()
    def find(self, image: Image.Image) -> FoundFaces:
        """See `multiturn.encoders.faces.FaceDetector.find`."""
        pixels = torch.from_numpy(np.array(image)).to(self._device).permute(2, 0, 1).float()
        boxes = self._proposed(pixels)
        if len(boxes):
            boxes = self._refined(pixels, boxes)
        if not len(boxes):
            return FoundFaces(torch.empty(0, 4), torch.empty(0, 5, 2), torch.empty(0))
        chances, moves, points = self._onet(_windows(pixels, boxes, 48))
        sure = chances > self._thresholds[2]
        boxes, moves, points, chances = boxes[sure], moves[sure], points[sure], chances[sure]
        sides = boxes[:, 2:] - boxes[:, :2] + 1
        landmarks = points.view(-1, 2, 5).transpose(1, 2) * sides[:, None] + boxes[:, None, :2] - 1
        boxes = _moved(boxes, moves, 1)
        kept = _apart(boxes, chances, 0.7)
        return FoundFaces(boxes[kept].cpu(), landmarks[kept].cpu(), chances[kept].cpu())

    def _proposed(self, pixels: Float[Tensor, "3 height width"]) -> Float[Tensor, "window 4"]:
        """Square windows of all sizes that P-Net likes."""
        height, width = pixels.shape[1:]
        scale, found = 12 / self._least_face, []
        while min(height, width) * scale >= LEAST_SIDE:
            size = (int(height * scale + 1), int(width * scale + 1))
            chances, moves = self._pnet(_normal(interpolate(pixels[None], size=size, mode="area")))
            places = (chances[0] >= self._thresholds[0]).nonzero()
            # P-Net looks at every second pixel, through windows of 12.
            corners = 2 * places.flip(1).float()
            boxes = torch.cat([((corners + 1) / scale).floor(), ((corners + 12) / scale).floor()], 1)
            rows, columns = places.unbind(1)
            chance = chances[0, rows, columns]
            kept = nms(boxes, chance, 0.5)
            found.append(torch.cat([boxes, chance[:, None], moves[0, :, rows, columns].T], 1)[kept])
            scale *= self._factor
        if not found:
            return pixels.new_empty(0, 4)
        table = torch.cat(found)
        table = table[nms(table[:, :4], table[:, 4], 0.7)]
        return _square(_moved(table[:, :4], table[:, 5:], 0))

    def _refined(
        self, pixels: Float[Tensor, "3 height width"], boxes: Float[Tensor, "window 4"]
    ) -> Float[Tensor, "left 4"]:
        chances, moves = self._rnet(_windows(pixels, boxes, 24))
        sure = chances > self._thresholds[1]
        boxes, moves, chances = boxes[sure], moves[sure], chances[sure]
        kept = nms(boxes, chances, 0.7)
        return _square(_moved(boxes[kept], moves[kept], 1))


def cascade_files(folder: str) -> tuple[str, str, str]:
    """The files of the three networks in a folder: pnet.pt, rnet.pt and onet.pt, maybe with a word before.

    Raises:
        FileNotFoundError: the folder lacks one.
        ValueError: it holds two of a kind.
    """
    files = []
    for name in ("pnet.pt", "rnet.pt", "onet.pt"):
        found = sorted(Path(folder).glob(f"*{name}"))
        if not found:
            existing_file(str(Path(folder) / name), f"MTCNN's {name}", SOURCE)
        if len(found) > 1:
            raise ValueError(f"{folder} holds {found[0].name} and {found[1].name}; leave one {name} there")
        files.append(str(found[0]))
    return files[0], files[1], files[2]


def _normal(pixels: Float[Tensor, "image 3 height width"]) -> Float[Tensor, "image 3 height width"]:
    return (pixels - 127.5) / 128


def _windows(
    pixels: Float[Tensor, "3 height width"], boxes: Float[Tensor, "window 4"], side: int
) -> Float[Tensor, "window 3 side side"]:
    """What is inside the boxes, at one size; black outside the picture."""
    height, width = pixels.shape[1:]
    cut = []
    # Rounding towards zero and counting pixels from 1, as the networks were trained.
    for left, top, right, bottom in boxes.int().tolist():
        left, top, right, bottom = left - 1, top - 1, max(right, left + 1), max(bottom, top + 1)
        inside = pixels[:, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        # A window can lie outside entirely; it is black then.
        around = (max(-left, 0), max(right - width, 0), max(-top, 0), max(bottom - height, 0))
        if inside.numel():
            cut.append(interpolate(pad(inside, around)[None], size=(side, side), mode="area"))
        else:
            cut.append(pixels.new_zeros(1, 3, side, side))
    return _normal(torch.cat(cut))


def _moved(boxes: Float[Tensor, "window 4"], moves: Float[Tensor, "window 4"], extra: int) -> Float[Tensor, "window 4"]:
    """Boxes whose edges moved by shares of width and height; `extra` counts the last pixel in."""
    sides = boxes[:, 2:] - boxes[:, :2] + extra
    return boxes + moves * sides.repeat(1, 2)


def _square(boxes: Float[Tensor, "window 4"]) -> Float[Tensor, "window 4"]:
    """The same centres, and the longer side on both axes."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longer = sides.amax(1, keepdim=True)
    corners = boxes[:, :2] + (sides - longer) / 2
    return torch.cat([corners, corners + longer], 1)


def _apart(boxes: Float[Tensor, "face 4"], scores: Float[Tensor, " face"], most: float) -> Int[Tensor, " kept"]:
    """Drop boxes that share more than `most` of the smaller one with a surer one, so that none lies in another."""
    kept: list[int] = []
    areas = box_area(boxes)
    for place in scores.argsort(descending=True).tolist():
        low, high = torch.maximum(boxes[place, :2], boxes[kept, :2]), torch.minimum(boxes[place, 2:], boxes[kept, 2:])
        shared = (high - low).clamp(min=0).prod(1) / torch.minimum(areas[place], areas[kept])
        if not bool((shared > most).any()):
            kept.append(place)
    return torch.tensor(kept, dtype=torch.long, device=boxes.device)
