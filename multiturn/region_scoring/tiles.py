"""Scoring in matrix registers: regions at length 1 as sums of two bfloat16 numbers, laid out for kernel.cpp."""

import ctypes
from dataclasses import dataclass

import torch
from jaxtyping import BFloat16, Bool, Float32, Float64
from torch import Tensor

from multiturn.compiled import at, in_threads
from multiturn.region_scoring.screened import GROUP, Screened, bits_of
from multiturn.region_scoring.screened import HALF as TILE


@dataclass(frozen=True)
class Split:
    """Rows as sums of two bfloat16 numbers, filled up with zeros to whole groups.

    Attributes:
        parts: high and low.
        low: lengths of the low parts.
        lost: lengths of what the two parts lack of the rows.
    """

    parts: BFloat16[Tensor, "2 padded_row padded_dim"]
    low: Float64[Tensor, " padded_row"]
    lost: Float64[Tensor, " padded_row"]

    @classmethod
    def of(cls, rows: Float32[Tensor, "row dim"]) -> "Split":
        rows = torch.nn.functional.pad(rows, (0, -rows.shape[1] % GROUP, 0, -len(rows) % GROUP))
        high = rows.bfloat16()
        rest = rows - high  # exact
        low = rest.bfloat16()
        # Lengths in float32 are within a part in 10,000.
        low_length, lost = low.float().norm(dim=1).double(), (rest - low).norm(dim=1).double()
        return cls(torch.stack([high, low]), low_length * 1.0001, lost * 1.0001 + 2.0**-120)


class Tiles:
    """Regions at length 1 as sums of two bfloat16 numbers, laid out for matrix registers.

    Attributes:
        vectors: [candidate / 32, region, 32 numbers, high or low, half, pair, candidate, one of the pair].
        real: a bit for each of 16 candidates, [candidate / 32, region, half].
        low: length of the longest low part.
        lost: length of the most that the two parts lack of a region.
    """

    fine = True

    def __init__(
        self,
        vectors: Float32[Tensor, "candidate region dim"],
        norms: Float64[Tensor, "candidate region"],
        mask: Bool[Tensor, "candidate region"],
        library: ctypes.CDLL,
    ) -> None:
        self.library = library
        self.candidates, self.regions, dim = vectors.shape
        self.steps = -(-dim // GROUP)
        self.low = self.lost = 0.0
        groups = -(-self.candidates // GROUP)
        shape = (groups, self.regions, self.steps, 2, 2, TILE, TILE, 2)
        self.vectors = torch.empty(shape, dtype=torch.bfloat16)
        for number, (part, own) in enumerate(zip(vectors.split(GROUP), norms.split(GROUP), strict=True)):
            units = torch.nn.functional.pad(
                (part.double() / own[..., None]).float(), (0, 0, 0, 0, 0, GROUP - len(part))
            )
            split = Split.of(units.flatten(0, 1))
            parts = split.parts.view(2, 2, TILE, self.regions, self.steps, TILE, 2)
            self.vectors[number] = parts.permute(3, 4, 0, 1, 5, 2, 6)
            self.low, self.lost = max(self.low, float(split.low.max())), max(self.lost, float(split.lost.max()))
        self.real = bits_of(mask)

    def score(self, units: Float32[Tensor, "session dim"], sharpness: float, steepest: float) -> Screened:
        """See `multiturn.region_scoring.screened.Screen`.

        Source:
            Intel's Software Developer's Manual defines TDPBF16PS: of each 32 products the 16 even and the 16 odd
            ones are added from zero, in float32, the two sums are added, and their sum is added to the tile.
        """
        sessions = len(units)
        table = torch.empty(sessions, self.candidates)
        split = Split.of(units)
        packed = split.parts.view(2, -1, 2, TILE, self.steps, GROUP).permute(1, 4, 0, 2, 3, 5).contiguous()
        squares = []

        def some(first: int, last: int) -> None:
            square = torch.zeros(sessions)
            self.library.score_column(
                at(packed),
                at(self.vectors),
                at(self.real),
                *(ctypes.c_int64(number) for number in (sessions, self.candidates, self.regions, self.steps)),
                ctypes.c_float(sharpness),
                ctypes.c_int64(first),
                ctypes.c_int64(last),
                at(table),
                at(square),
            )
            squares.append(square)

        in_threads(some, len(self.real), len(packed) * GROUP * GROUP * self.regions * self.steps * GROUP)
        low, lost = split.low[:sessions], split.lost[:sessions]
        within = low * self.low + 1.01 * (lost + self.lost)  # the product that is left out, and what the parts lack
        added = (17 + 3 * self.steps) * 1.01 * (1 + low + self.low)
        return Screened(table, torch.stack(squares).amax(0), within + added * 2.0**-24 + self.steps * 2.0**-118)
