"""How kernels read quantised vectors: in the order in which their instructions multiply them."""

import sys
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from multiturn.quantisation import INT16_LIMIT, PART, PART_NORM, ZERO_POINT
from multiturn.region_scoring.screened import GROUP, HALF

_TILE = 64  # numbers of a row of a tile


@runtime_checkable
class Layout(Protocol):
    """How a kernel reads integers of both kinds.

    Attributes:
        kernel: the function's name.
        sessions: at once.
        steps: numbers of a row that one instruction takes, of int16 and of int8.
        axes: how many numbers are int16, and how many int8, is best a multiple of this.
        int8_cost: of a product of int8, in products of int16; 1 where the kernel has no int8.
        worth_it: share of the cost of int16 numbers alone, below which fewer bits make up for finding the axes.
        int16_limit: the largest int16 number.
        part: int16 numbers whose products are added up in 32 bits.
        longest: L2 norm of a row of integers, or of a part of one, at most: sums of products stay below 2^31.
        split_bytes: whether high bytes of int16 numbers and low ones lie apart.
        zero_point: of the int8 numbers of regions.
    """

    kernel: str
    sessions: int
    steps: tuple[int, int]
    axes: int
    int8_cost: float
    worth_it: float
    int16_limit: int
    part: int
    longest: int
    split_bytes: bool
    zero_point: int

    def regions(
        self, int16: Float[Tensor, "candidate region int16"], int8: Float[Tensor, "candidate region int8"]
    ) -> tuple[Tensor, Tensor]:
        """Those of candidates, by groups, of which the last is filled up."""
        ...

    def low(self, int16: Float[Tensor, "row *region int16"]) -> Float[Tensor, "row *region low"]:
        """What of int16 numbers is not multiplied with the like of the other side."""
        ...


class SimdLayout:
    """Pairs of int16, whose products AVX2 and AVX-512 add up, and fours of int8, whose products AVX-512 VNNI does.

    Args:
        lanes: pairs in a register.
        vnni: whether the processor has AVX-512 VNNI.
    """

    kernel, steps, axes = "score_simd", (2, 4), 16
    int16_limit, part, longest = INT16_LIMIT, PART, PART_NORM
    split_bytes, zero_point = False, ZERO_POINT  # one factor is unsigned

    def __init__(self, lanes: int, vnni: bool) -> None:
        self.sessions = 12 if lanes == HALF else 6
        self.int8_cost = 1 / 2 if vnni else 1.0
        self.worth_it = 0.75 if lanes == HALF else 0.9  # the fewer lanes, the more of the time goes into products
        # Candidates of two registers lie together: those of a group if registers are long, half of them if not.
        self._order = (0, 3, 4, 1, 2, 5) if lanes == HALF else (0, 1, 3, 4, 2, 5)

    def regions(
        self, int16: Float[Tensor, "candidate region int16"], int8: Float[Tensor, "candidate region int8"]
    ) -> tuple[Tensor, Tensor]:
        """See `Layout`."""
        numbers = int16.to(torch.int16), (int8 + self.zero_point).to(torch.uint8)
        pairs, fours = (_grouped(one, step) for one, step in zip(numbers, self.steps, strict=True))
        return pairs.permute(self._order), fours.permute(self._order)

    def low(self, int16: Float[Tensor, "row *region int16"]) -> Float[Tensor, "row *region low"]:
        """See `Layout`; nothing."""
        return int16[..., :0]


class AmxLayout:
    """Bytes in tiles, which Intel AMX multiplies and adds up; of int16 numbers the high bytes, then the low ones.

    Low bytes are multiplied with high ones only.
    """

    kernel, sessions, steps, axes = "score_amx", GROUP, (_TILE, _TILE), _TILE
    int8_cost, worth_it = 1 / 3, 0.3  # most of the time goes into other things than products
    int16_limit, part, longest = 127 * 256 + 127, sys.maxsize, 700_000  # sums are of products over 256
    split_bytes, zero_point = True, 0

    def regions(
        self, int16: Float[Tensor, "candidate region int16"], int8: Float[Tensor, "candidate region int8"]
    ) -> tuple[Tensor, Tensor]:
        """See `Layout`."""
        return _regions_in_tiles(self._bytes(int16)), _regions_in_tiles([int8])

    def low(self, int16: Float[Tensor, "row *region int16"]) -> Float[Tensor, "row *region low"]:
        """See `Layout`; the low bytes."""
        return int16 - 256 * _high(int16)

    def _bytes(self, int16: Float[Tensor, "row *region int16"]) -> list[Float[Tensor, "row *region int16"]]:
        return [_high(int16), self.low(int16)]


def _high(int16: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """The nearest multiple of 256, over that."""
    return torch.floor((int16 + 128) / 256)


def _regions_in_tiles(parts: Sequence[Float[Tensor, "candidate region number"]]) -> Tensor:
    """[group, half, region, step, part, four of numbers, candidate, one of the four]."""
    rows = torch.stack([_grouped(part.to(torch.int8), _TILE) for part in parts])
    return rows.unflatten(-1, (_TILE // 4, 4)).permute(1, 2, 4, 5, 0, 6, 3, 7)


def _grouped(numbers: Tensor, step: int) -> Tensor:
    """[group, half, candidate, region, step, number], filled up."""
    count, regions, dim = numbers.shape
    filled = pad(numbers, (0, -dim % step, 0, 0, 0, -count % GROUP))
    return filled.view(len(filled) // GROUP, 2, HALF, regions, filled.shape[2] // step, step)
