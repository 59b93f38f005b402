"""Fused scoring of state vectors against regions on a GPU, in Triton: similarities never leave a block's registers.

Memory beside the table of scores is none, whatever the number of sessions, images and regions. Triton's interpreter
runs it on a CPU in the tests (TRITON_INTERPRET=1); it was not timed on a GPU. PyTorch's path in columns.py is the
reference, and does the same where there is no Triton.
"""

import torch
import triton
import triton.language as tl
from jaxtyping import Bool, Float32, Float64
from torch import Tensor

from multiturn.region_scoring.screened import Screened
from multiturn.scoring import summing_error

_SESSIONS, _CANDIDATES, _NUMBERS = 32, 64, 32  # of a block


@triton.jit
def _score(
    units,
    regions,
    real,
    table,
    squares,
    sessions,
    candidates,
    count,
    dim,
    sharpness,
    SESSIONS: tl.constexpr,
    CANDIDATES: tl.constexpr,
    NUMBERS: tl.constexpr,
):
    # The second axis of a grid is short: 65,535.
    c = tl.program_id(0) * CANDIDATES + tl.arange(0, CANDIDATES)
    s = tl.program_id(1) * SESSIONS + tl.arange(0, SESSIONS)
    row, column = c.to(tl.int64) * count, s.to(tl.int64) * dim
    total = tl.zeros((SESSIONS, CANDIDATES), tl.float32)
    mean = tl.zeros((SESSIONS, CANDIDATES), tl.float32)
    square = tl.zeros((SESSIONS, CANDIDATES), tl.float32)
    for k in range(count):
        cosines = tl.zeros((SESSIONS, CANDIDATES), tl.float32)
        for first in range(0, dim, NUMBERS):
            d = first + tl.arange(0, NUMBERS)
            x = tl.load(units + column[:, None] + d[None, :], (s[:, None] < sessions) & (d[None, :] < dim), 0.0)
            place = (row[None, :] + k) * dim + d[:, None]
            v = tl.load(regions + place, (c[None, :] < candidates) & (d[:, None] < dim), 0.0)
            cosines += tl.dot(x, v, input_precision="ieee")
        there = tl.load(real + row + k, c < candidates, 0)
        weights = tl.where((there != 0)[None, :], tl.exp(cosines * sharpness), 0.0)
        total += weights
        weights *= cosines
        mean += weights
        square += weights * cosines
    inside = (s[:, None] < sessions) & (c[None, :] < candidates)
    total = tl.where(inside, total, 1.0)
    tl.store(table + s.to(tl.int64)[:, None] * candidates + c[None, :], mean / total, inside)
    most = tl.max(tl.where(inside, square / total, 0.0), 1)
    tl.store(squares + tl.program_id(0).to(tl.int64) * sessions + s, most, s < sessions)


class GpuRegions:
    """Regions at length 1; implements `multiturn.region_scoring.screened.Screen`."""

    fine = True

    def __init__(
        self,
        vectors: Float32[Tensor, "candidate region dim"],
        norms: Float64[Tensor, "candidate region"],
        mask: Bool[Tensor, "candidate region"],
    ) -> None:
        self.real = mask.to(torch.uint8).contiguous()
        self.units = torch.empty_like(vectors)
        for part, own, out in zip(vectors.split(256), norms.split(256), self.units.split(256), strict=True):
            out.copy_(part.double() / own[..., None])

    def score(self, units: Float32[Tensor, "session dim"], sharpness: float, steepest: float) -> Screened:
        """See `multiturn.region_scoring.screened.Screen`.

        Products of float32 numbers are rounded as IEEE 754 has it, whatever PyTorch is told of TF32. A block's sum is
        one of the orders that `summing_error` holds for; a GPU's exp is within two units in the last place.
        """
        (candidates, count, dim), sessions = self.units.shape, len(units)
        units = units.contiguous()
        blocks = triton.cdiv(candidates, _CANDIDATES), triton.cdiv(sessions, _SESSIONS)
        table = torch.empty(sessions, candidates, device=units.device)
        squares = torch.empty(blocks[0], sessions, device=units.device)
        _score[blocks](
            units,
            self.units,
            self.real,
            table,
            squares,
            sessions,
            candidates,
            count,
            dim,
            sharpness,
            SESSIONS=_SESSIONS,  # type: ignore[arg-type]
            CANDIDATES=_CANDIDATES,  # type: ignore[arg-type]
            NUMBERS=_NUMBERS,  # type: ignore[arg-type]
        )
        within = summing_error(dim + _NUMBERS) + dim * 2.0**-120
        return Screened(table, squares.amax(0), torch.full((sessions,), within, dtype=torch.float64).to(units.device))
