"""What trained weights make of a gallery, kept while that gallery lives and the weights stay; no network lives here."""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from multiturn.gallery import Gallery

Made = TypeVar("Made")


class KeptOfGallery:
    """Keeps the last that was made, so that the sessions over one gallery make it once."""

    def __init__(self) -> None:
        self._last: _Last | None = None

    def get(
        self, what: str, gallery: Gallery, weights: Sequence[Tensor], make: Callable[[], Made], keep: bool = True
    ) -> Made:
        """What `make` returns, or returned when it was last asked for `what` of this gallery with these weights.

        Args:
            what: tells apart what is made of one gallery with the same weights.
            gallery: it is made of; it may be forgotten meanwhile.
            weights: that it is made with.
            make: called where there is none.
            keep: whether it is kept for the next call; in training it would be in vain.
        """
        last = self._last
        if last is not None and last.what == what and last.gallery() is gallery and last.fits(weights):
            return last.made
        made = make()
        copies = tuple(weight.detach().clone() for weight in weights)
        self._last = _Last(what, weakref.ref(gallery), copies, made) if keep else None
        return made


@dataclass(frozen=True)
class _Last:
    what: str
    gallery: "weakref.ref[Gallery]"
    weights: tuple[Tensor, ...]
    made: Any

    def fits(self, weights: Sequence[Tensor]) -> bool:
        # The weights themselves are compared: some optimisers change them without leaving any other trace.
        pairs = zip(self.weights, weights, strict=True)
        return all(one.device == other.device and torch.equal(one, other) for one, other in pairs)
