"""Encoders that make several vectors of a picture, one a region; this module has their protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:  # Nobody calls a protocol's methods, and converting files must not load torch.
    from multiturn.regions import Regions


@runtime_checkable
class RegionEncoder(Protocol):
    """Makes the vectors of the regions of each item, with their boxes and a mask."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    @property
    def fingerprint(self) -> str:
        """Name, weights and preprocessing: equal fingerprints promise equal regions."""
        ...

    def encode(self, items: Any, batch_size: int = 64, show_progress: bool = False) -> Regions:
        """Encode pictures, in order, each to the same number of rows; the batch size changes speed alone."""
        ...
