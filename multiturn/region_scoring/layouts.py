"""How kernels read whole numbers: in the order in which their instructions multiply them."""

import sys
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from multiturn.region_scoring.screened import GROUP, HALF

_TILE = 64  # numbers of a row of a tile


@runtime_checkable
class Layout(Protocol):
    """How a kernel reads whole numbers, wide ones and narrow ones.

    Attributes:
        kernel: the function's name.
        sessions: at once.
        steps: numbers of a row that one instruction takes, wide ones and narrow ones.
        axes: how many numbers are wide, and how many narrow, is best a multiple of this.
        narrow_cost: of a narrow number, in wide ones; 1 where there are none.
        worth_it: share of the cost of wide numbers alone, below which fewer bits make up for finding the axes.
        widest: the largest wide number.
        part: wide numbers whose products are added up as whole ones.
        longest: so many whole numbers of a row may be, so that sums of products with others stay below 2^31.
        apart: whether the high bytes of wide numbers lie apart from the low ones.
        added: to the narrow numbers of regions.
    """

    kernel: str
    sessions: int
    steps: tuple[int, int]
    axes: int
    narrow_cost: float
    worth_it: float
    widest: int
    part: int
    longest: int
    apart: bool
    added: int

    def regions(
        self, wide: Float[Tensor, "candidate region wide"], narrow: Float[Tensor, "candidate region narrow"]
    ) -> tuple[Tensor, Tensor]:
        """Those of candidates, by groups, of which the last is filled up."""
        ...

    def low(self, wide: Float[Tensor, "row *region wide"]) -> Float[Tensor, "row *region low"]:
        """What of wide numbers is not multiplied with the like of the other side."""
        ...


class InPairs:
    """16 bits in pairs, whose products AVX2 and AVX-512 add up, and 8 bits in fours, which AVX-512 VNNI does.

    Args:
        lanes: pairs in a register.
        fours: whether the processor takes fours.
    """

    kernel, steps, axes = "score_whole_numbers", (2, 4), 16
    widest, part, longest = 32_767, 64, 46_000
    apart, added = False, 128  # of two factors one has no sign

    def __init__(self, lanes: int, fours: bool) -> None:
        self.sessions = 12 if lanes == HALF else 6
        self.narrow_cost = 1 / 2 if fours else 1.0
        self.worth_it = 0.75 if lanes == HALF else 0.9  # the fewer lanes, the more of the time goes into products
        # Candidates of two registers lie together: those of a group if registers are long, half of them if not.
        self._order = (0, 3, 4, 1, 2, 5) if lanes == HALF else (0, 1, 3, 4, 2, 5)

    def regions(
        self, wide: Float[Tensor, "candidate region wide"], narrow: Float[Tensor, "candidate region narrow"]
    ) -> tuple[Tensor, Tensor]:
        """See `Layout`."""
        numbers = wide.to(torch.int16), (narrow + self.added).to(torch.uint8)
        pairs, fours = (_grouped(one, step) for one, step in zip(numbers, self.steps, strict=True))
        return pairs.permute(self._order), fours.permute(self._order)

    def low(self, wide: Float[Tensor, "row *region wide"]) -> Float[Tensor, "row *region low"]:
        """See `Layout`; nothing."""
        return wide[..., :0]


class InTiles:
    """Bytes in tiles, which Intel AMX multiplies and adds up; of wide numbers the high bytes, then the low ones.

    Low bytes are multiplied with high ones only.
    """

    kernel, sessions, steps, axes = "score_in_tiles", GROUP, (_TILE, _TILE), _TILE
    narrow_cost, worth_it = 1 / 3, 0.3  # most of the time goes into other things than products
    widest, part, longest = 127 * 256 + 127, sys.maxsize, 700_000  # sums are of products over 256
    apart, added = True, 0

    def regions(
        self, wide: Float[Tensor, "candidate region wide"], narrow: Float[Tensor, "candidate region narrow"]
    ) -> tuple[Tensor, Tensor]:
        """See `Layout`."""
        return _regions_in_tiles(self._bytes(wide)), _regions_in_tiles([narrow])

    def low(self, wide: Float[Tensor, "row *region wide"]) -> Float[Tensor, "row *region low"]:
        """See `Layout`; the low bytes."""
        return wide - 256 * _high(wide)

    def _bytes(self, wide: Float[Tensor, "row *region wide"]) -> list[Float[Tensor, "row *region wide"]]:
        return [_high(wide), self.low(wide)]


def _high(wide: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """The nearest multiple of 256, over that."""
    return torch.floor((wide + 128) / 256)


def _regions_in_tiles(parts: Sequence[Float[Tensor, "candidate region number"]]) -> Tensor:
    """[group, half, region, step, part, four of numbers, candidate, one of the four]."""
    rows = torch.stack([_grouped(part.to(torch.int8), _TILE) for part in parts])
    return rows.unflatten(-1, (_TILE // 4, 4)).permute(1, 2, 4, 5, 0, 6, 3, 7)


def _grouped(numbers: Tensor, step: int) -> Tensor:
    """[group, half, candidate, region, step, number], filled up."""
    count, regions, dim = numbers.shape
    filled = pad(numbers, (0, -dim % step, 0, 0, 0, -count % GROUP))
    return filled.view(len(filled) // GROUP, 2, HALF, regions, filled.shape[2] // step, step)
