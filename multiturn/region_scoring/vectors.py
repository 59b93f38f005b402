"""Regions of a gallery laid out for scoring, and the formula that scores them; scoring is in states.py."""

import math
import os
import warnings
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.util import find_spec
from subprocess import CalledProcessError
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from multiturn.region_scoring.adaptive_bits import AdaptiveBits
from multiturn.region_scoring.axes import Axes
from multiturn.region_scoring.kernel import kernel
from multiturn.region_scoring.quantised_regions import QuantisedRegions
from multiturn.region_scoring.screened import Screen
from multiturn.scoring import norms_of_rows

_ON_CPU = 32  # images at once: 36 regions of 256 numbers are 1.2 MB, which stays in a core's cache
_ELSEWHERE = 256  # enough work for a GPU; 36 cosines of 1,000 sessions with each are 37 MB
_SHARPEST = 40.0  # exp of more, summed over regions, would leave float32
_SHORTEST, _LONGEST = 1e-37, 1e37  # beyond them float32 loses digits, or overflows


@dataclass(frozen=True)
class RegionFormula:
    """How similar a state vector is to an image, and a session to an image.

    A state vector x and an image of regions v_k have similarity sum_k a_k s_k, where s_k = cos(x, v_k) and
    a = softmax(sharpness s) over the image's real regions; a session's score is the mean over its state vectors.

    Args:
        sharpness: 0 is the plain mean of the regions.
        per_region: divide by the image's number of regions.
        average: over the states filled so far, or over all, where an empty one counts as 0.
    Raises:
        ValueError: a sharpness below 0 or above 40.
    Source:
        papers/drill-down.txt, eq. (1), divides by sigma = 9 where the released code multiplies, has a factor 1/N,
        and takes the mean over all states: RegionFormula(1 / 9, True, "all"). The code is the default here.
    """

    sharpness: float = 9.0
    per_region: bool = False
    average: Literal["filled", "all"] = "filled"

    def __post_init__(self) -> None:
        if not 0 <= self.sharpness <= _SHARPEST:
            raise ValueError(f"sharpness is 0..{_SHARPEST:g}, not {self.sharpness}; the released code has 9")

    def steepness(self, regions: int) -> float:
        """How much an error of all cosines, of at most 1, can move a similarity.

        Let f(s) = sum_k a_k s_k with a = softmax(b s) over N regions. Then df/ds_k = a_k (1 + b (s_k - f)), which
        add up to 1, so that sum_k |df/ds_k| = 1 + 2 sum_k a_k (u_k - 1)_+ with u_k = b (f - s_k).
        (i) It is at most 1 + b sum_k a_k |s_k - f| <= 1 + b, as cosines lie in [-1, 1].
        (ii) a_k = e^-u_k / Z with Z = sum e^-u_k, and sum u_k e^-u_k = 0 by the definition of f. The terms
        (u - 1)_+ e^-u are at most e^-2 each and at most N - 1 in number; let Q be their sum, so Q <= (N - 1) e^-2.
        The positive u e^-u add up to some P >= Q, and as many the negative |u| e^|u| do. With Lambert's W,
        e^|u| = e^W(|u| e^|u|) is concave in its argument and 1 at 0, hence subadditive: Z >= e^W(P) = P / W(P)
        >= Q / W(Q). The excess over 1 is thus at most 2 Q / Z <= 2 W(Q) <= 2 log(1 + (N - 1) e^-2).
        """
        return 1 + min(self.sharpness, 2 * math.log1p((regions - 1) * math.exp(-2)))


class RegionVectors:
    """A gallery's regions in a retriever's own space, laid out for scoring.

    Args:
        vectors: of any length but zero; those outside `mask` are ignored.
        mask: True where there is a region.

    Attributes:
        vectors: as given, in float32, with the real regions first and zeros after them.
        mask: likewise.
        counts: real regions of each candidate.
        norms: L2 norms of the regions; 1 where there is none.
        kernel: what scores them faster than PyTorch, if this machine has it.
        at_once: candidates in a block.
    Raises:
        ValueError: a candidate without regions, or with a region that is not finite or zero.
    """

    def __init__(self, vectors: Float[Tensor, "candidate region dim"], mask: Bool[Tensor, "candidate region"]) -> None:
        if not bool(mask.any(1).all()):
            raise ValueError(f"candidate {int((~mask.any(1)).nonzero()[0, 0])} has no region; leave it out")
        self.mask, self.counts = mask, mask.sum(1)
        self.vectors = vectors.detach().float().contiguous()
        if not bool(mask.all()):
            # Where the padding was must not move a bit.
            order = (~mask).to(torch.int8).argsort(dim=1, stable=True)[:, : int(self.counts.max())]
            self.mask = mask.gather(1, order)
            rows = torch.arange(len(mask), device=mask.device)[:, None]
            self.vectors = self.vectors[rows, order].masked_fill_(~self.mask[..., None], 0.0)
        norms = norms_of_rows(self.vectors)
        self._check(norms)
        self.norms = norms.masked_fill_(~self.mask, 1.0)
        self.kernel = kernel() if self.vectors.device.type == "cpu" else None
        self.at_once = _ON_CPU if self.vectors.device.type == "cpu" else _ELSEWHERE

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def blocks(self) -> list[Float[Tensor, "region block dim"]]:
        """The regions at length 1, some candidates at a time: sums over regions then run along whole rows."""
        parts = zip(self.vectors.split(self.at_once), self.norms.split(self.at_once), strict=True)
        return [(part.double() / own[..., None]).float().transpose(0, 1).contiguous() for part, own in parts]

    @property
    def screen(self) -> Screen | None:
        """The regions as the fastest kernel for their device reads them; None where PyTorch does the work."""
        if self.vectors.device.type == "cuda":
            return self._on_gpu
        return self._on_cpu if self.kernel is not None and self.kernel.fast_integers else None

    @cached_property
    def _on_cpu(self) -> Screen:
        assert self.kernel is not None
        layout = self.kernel.layout
        assert layout is not None
        along = partial(QuantisedRegions, self.vectors, self.norms, self.mask, self.kernel.library, layout)
        return AdaptiveBits(along, Axes.of(self.vectors, self.mask, layout))

    @cached_property
    def _on_gpu(self) -> Screen | None:
        if os.environ.get("MULTITURN_KERNEL") == "0" or find_spec("triton") is None:
            return None
        from multiturn.region_scoring.gpu_kernel import GpuRegions

        regions = GpuRegions(self.vectors, self.norms, self.mask)
        try:
            regions.score(regions.units[:1, 0], 1.0, 1.0)  # Triton compiles what is launched first
        except (RuntimeError, OSError, CalledProcessError) as reason:
            warnings.warn(f"Triton cannot make the GPU kernel, so PyTorch does its work: {reason}", stacklevel=2)
            return None
        return regions

    def _check(self, norms: Float64[Tensor, "candidate region"]) -> None:
        wrong = ~usable(norms) & self.mask
        if bool(wrong.any()):
            candidate, region = wrong.nonzero()[0].tolist()
            raise ValueError(
                f"region {region} of candidate {candidate} has length {float(norms[candidate, region]):g} and no "
                "cosine; look at that image and at the weights of the map into the retriever's space"
            )


def usable(lengths: Float64[Tensor, "*any"]) -> Bool[Tensor, "*any"]:
    """Whether vectors of these lengths have cosines in float32."""
    return (lengths >= _SHORTEST) & (lengths <= _LONGEST)
