"""Similarity of state vectors with the regions of a batch of pictures, with gradients; no gallery is scored here."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils.checkpoint import checkpoint

from multiturn.region_scoring import RegionFormula

_CELLS_AT_ONCE = 1 << 23  # cosines of sessions x pictures x regions: 32 MB, and about four times that for gradients


@dataclass(frozen=True)
class Pictures:
    """The regions of a batch of pictures in the retriever's space, each of length 1.

    Attributes:
        regions: zero where `mask` is False.
        mask: False where a row only fills up the table.
    """

    regions: Float[Tensor, "picture region dim"]
    mask: Bool[Tensor, "picture region"]

    @classmethod
    def of(cls, regions: Float[Tensor, "picture region dim"], mask: Bool[Tensor, "picture region"]) -> "Pictures":
        """Normalise regions of any length."""
        return cls(normalize(regions, dim=-1) * mask[..., None], mask)


def similarities(
    vectors: Float[Tensor, "session dim"], pictures: Pictures, formula: RegionFormula
) -> Float[Tensor, "session picture"]:
    """Similarity of one state vector a session with every picture.

    Args:
        vectors: of any length but zero.
        pictures: of the batch.
        formula: its sharpness and whether it divides by the number of regions; what it averages over concerns
            `StateTable`.
    Source:
        papers/drill-down.txt, eq. (1): s(x, I) = 1/N sum_k a_k s(x, v_k), a = softmax(s(x, v) / sigma). The
        released code multiplies by sigma = 9 where the paper divides, leaves out 1/N, and lets padded regions take
        part with cosine 0; here they take no part.
    """
    images = max(1, _CELLS_AT_ONCE // max(1, len(vectors) * pictures.mask.shape[1]))
    units = normalize(vectors, dim=-1)
    if images >= len(pictures.mask):
        return _block(units, pictures.regions, pictures.mask, formula)
    blocks = zip(pictures.regions.split(images), pictures.mask.split(images), strict=True)
    # Kept for the gradient, the cosines of all blocks would take the memory that the blocks are there to save.
    return torch.cat([checkpoint(_block, units, *block, formula, use_reentrant=False) for block in blocks], 1)


def own_similarities(
    vectors: Float[Tensor, "session choice dim"], pictures: Pictures, formula: RegionFormula
) -> Float[Tensor, "session choice"]:
    """Similarity of several vectors a session with that session's own picture; see `similarities`."""
    cosines = normalize(vectors, dim=-1) @ pictures.regions.transpose(1, 2)
    return _attended(cosines, pictures.mask[:, None], formula)


@dataclass(frozen=True)
class StateTable:
    """Similarities of each state of each session with each picture; only the state that changed is computed again.

    Attributes:
        columns: one a state; zero while the state is empty.
        filled: states that are not empty.
    Source:
        papers/drill-down.txt, section 3.3: s(X, I) is the mean over all M states; the released code takes it over
        those filled (RegionFormula.average).
    """

    columns: Float[Tensor, "session slot picture"]
    filled: int
    formula: RegionFormula

    @classmethod
    def empty(cls, sessions: int, slots: int, pictures: int, like: Tensor, formula: RegionFormula) -> "StateTable":
        """Before anything was said."""
        return cls(like.new_zeros(sessions, slots, pictures), 0, formula)

    def after(
        self, slot: Int[Tensor, " session"], column: Float[Tensor, "session picture"], filled: int
    ) -> "StateTable":
        """The table in which `column` replaces that of one state a session."""
        places = torch.arange(self.columns.shape[1], device=slot.device)
        written = (places == slot[:, None])[..., None]
        return replace(self, columns=torch.where(written, column[:, None], self.columns), filled=filled)

    @property
    def scores(self) -> Float[Tensor, "session picture"]:
        """Mean over the states that count."""
        slots = self.columns.shape[1]
        return self.columns.sum(1) / (slots if self.formula.average == "all" else max(1, self.filled))


def _block(
    units: Float[Tensor, "session dim"],
    regions: Float[Tensor, "block region dim"],
    mask: Bool[Tensor, "block region"],
    formula: RegionFormula,
) -> Float[Tensor, "session block"]:
    cosines = (units @ regions.flatten(0, 1).T).view(len(units), *mask.shape)
    return _attended(cosines, mask[None], formula)


def _attended(
    cosines: Float[Tensor, "session block region"], mask: Bool[Tensor, "#session #block region"], formula: RegionFormula
) -> Float[Tensor, "session block"]:
    """Mean of the cosines, weighted by their softmax over real regions."""
    logits = (formula.sharpness * cosines).masked_fill(~mask, -torch.inf)
    attended = (logits.softmax(-1) * cosines).sum(-1)
    return attended / mask.sum(-1) if formula.per_region else attended
