"""Float64 rounded towards one side, so that what is bounded by a number stays bounded by the rounded one."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor


def down(values: Float64[Tensor, "*any"], dtype: torch.dtype = torch.float32) -> Float[Tensor, "*any"]:
    """Round towards minus infinity.

    Example:
        >>> down(torch.tensor([0.1, -0.1], dtype=torch.float64)).tolist()
        [0.09999999403953552, -0.10000000149011612]
    """
    rounded = values.to(dtype)
    lower = torch.nextafter(rounded, torch.tensor(-torch.inf, dtype=dtype, device=values.device))
    return torch.where(rounded.double() > values, lower, rounded)


def up(values: Float64[Tensor, "*any"], dtype: torch.dtype = torch.float32) -> Float[Tensor, "*any"]:
    """Round towards plus infinity."""
    return -down(-values, dtype)
