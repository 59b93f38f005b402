"""Encoders make vectors of items; this module has their protocol, each encoder a module of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:  # Nobody calls a protocol's methods, and choosing an encoder by name must not load torch.
    from jaxtyping import Float
    from torch import Tensor


@runtime_checkable
class Encoder(Protocol):
    """Makes a vector of each item. `multiturn.contracts.check_encoder` checks one."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    @property
    def fingerprint(self) -> str:
        """Name, weights and preprocessing: equal fingerprints promise equal vectors."""
        ...

    def encode(self, items: Any, batch_size: int = 64, show_progress: bool = False) -> Float[Tensor, "item dim"]:
        """Encode a sequence or data set of items, in order; the batch size changes speed, not vectors."""
        ...
