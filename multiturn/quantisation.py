"""What quantised vectors have in common, whoever multiplies them: limits of the integers, and memory for them."""

import math

import torch
from torch import Tensor

INT16_LIMIT, INT8_LIMIT = 32_767, 127
PART = 64  # int16 numbers whose products are added up in 32 bits
PART_NORM = 46_000  # L2 norm of the integers of a part: a sum of products of two such parts stays below 2^31
ZERO_POINT = 128  # of 8-bit integers whose sign the instruction does not know
_LINE = 64  # bytes of a line of the cache


def aligned_zeros(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Zeros that begin at a whole line of the cache: kernels read such lines at once."""
    size = math.prod(shape) * dtype.itemsize
    room = torch.zeros(size + _LINE, dtype=torch.uint8)
    return room[-room.data_ptr() % _LINE :][:size].view(dtype).view(shape)
