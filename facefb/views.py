"""Pictures as other crops would show them, and their features; what is learned from these lives elsewhere."""

import hashlib
import math
from typing import Any

import torch
from jaxtyping import Float, Float64, UInt8
from torch import Tensor, nn

from facefb.settings import ViewSettings
from multiturn.draws import uniform
from multiturn.encoders.opened import Pictures, input_batches
from multiturn.encoders.towers import ImageTower

DRAWS = 5  # a picture: mirror, down, right, zoom, stretch


def viewed(
    pixels: UInt8[Tensor, "image 3 height width"], draws: Float64[Tensor, "image draw"], settings: ViewSettings
) -> UInt8[Tensor, "image 3 height width"]:
    """Look at each picture through another crop; what lies outside repeats the edge.

    Half of the pictures are mirrored. Shifts are whole pixels, so that a view without zoom and stretch has only pixels
    of the picture; others lie between pixels, and are interpolated linearly.

    Args:
        draws: `DRAWS` numbers in [0, 1) for each picture.
        settings: how far views may differ from the pictures.
    """
    height, width = pixels.shape[2:]
    mirror, down, right, zoom, stretch = draws.to(pixels.device).unbind(1)
    zoom, stretch = _spread(zoom, settings.zoom), _spread(stretch, settings.stretch).sqrt()
    rows = _seen(height, down, settings.shift, zoom * stretch)
    columns = _seen(width, right, settings.shift, zoom / stretch)
    columns = torch.where(mirror[:, None] < 0.5, columns, -columns)
    grid = torch.stack(torch.broadcast_tensors(columns[:, None, :], rows[:, :, None]), 3).float()
    found = nn.functional.grid_sample(pixels.float(), grid, padding_mode="border", align_corners=True)
    return found.round().to(torch.uint8)


class ViewEncoder:
    """Another encoder's vectors of one random view of each picture.

    Args:
        encoder: of pixels.
        settings: how far views may differ from the pictures.
        seed: of the views; that of a picture depends on its row and `number` alone.
        number: of the view, from 0.
    """

    def __init__(self, encoder: ImageTower, settings: ViewSettings, seed: int, number: int) -> None:
        self._encoder, self._settings, self._seed, self._number = encoder, settings, seed, number
        digest = hashlib.sha256(repr((settings, seed, number)).encode()).hexdigest()[:8]
        self.fingerprint = f"{encoder.fingerprint}-view-{digest}"

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._encoder.dim

    @torch.no_grad()
    def encode(self, items: Any, batch_size: int = 64, show_progress: bool = False) -> Float[Tensor, "item dim"]:
        """See `multiturn.encoders.Encoder.encode`; `items` has an `image` column."""
        encoder, vectors, first = self._encoder, [], 0
        title = f"view {self._number + 1}"
        for pixels in input_batches(
            Pictures(items), encoder.prepare, batch_size, encoder.workers, title=title, show_progress=show_progress
        ):
            rows = torch.arange(first, first + len(pixels), device=encoder.device)
            draws = uniform(self._seed, rows, self._number, DRAWS)
            vectors.append(encoder.vectors(viewed(pixels.to(encoder.device), draws, self._settings)).float().cpu())
            first += len(pixels)
        return torch.cat(vectors)


def _spread(draws: Float64[Tensor, " image"], most: float) -> Float64[Tensor, " image"]:
    """Factors from 1 / most to most, evenly by their logarithm."""
    return torch.exp((2 * draws - 1) * math.log(most))


def _seen(
    size: int, draws: Float64[Tensor, " image"], shift: float, zoom: Float64[Tensor, " image"]
) -> Float64[Tensor, "image pixel"]:
    """Where a view's rows or columns lie in the picture, which reaches from -1 to 1."""
    most = int(shift * size)
    moved = (draws * (2 * most + 1)).long() - most
    places = torch.linspace(-1, 1, size, dtype=draws.dtype, device=draws.device)
    return places / zoom[:, None] + 2 * moved[:, None] / (size - 1)
