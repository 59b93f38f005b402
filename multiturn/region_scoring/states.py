"""Scores of sessions of several state vectors against images of many regions; searching them is in search.py."""

from collections.abc import Sequence
from functools import cached_property

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from multiturn.close_calls import Close, Limits
from multiturn.region_scoring.closeness import find_close
from multiturn.region_scoring.columns import Column
from multiturn.region_scoring.pairs import Pairs
from multiturn.region_scoring.screened import Bound
from multiturn.region_scoring.vectors import RegionFormula, RegionVectors


class StateScores:
    """Scores of sessions of several state vectors; implements `ScreenedScores`.

    Make the first with `start`; each `after` gives a new object and leaves the old as it was. Similarities of a
    state vector are computed once, when they are first asked for, and carried along while a session holds it.

    Attributes:
        columns: similarities of the state vectors that some session still holds.
        places: the column that holds each slot's; -1 while it is empty.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        places: Int[Tensor, "session slot"],
        regions: RegionVectors,
        formula: RegionFormula,
        fine: bool = False,
    ) -> None:
        self.fine = fine
        self.columns, self.places, self.regions, self.formula = tuple(columns), places, regions, formula
        self.shape: tuple[int, int] = (len(places), len(regions))
        self.device = regions.vectors.device
        self.offset = torch.zeros(len(places), dtype=torch.float64, device=self.device)
        filled = (places >= 0).sum(1)
        self._divisor = filled.clamp(min=1) if formula.average == "filled" else torch.full_like(filled, places.shape[1])
        uses = (places == torch.arange(len(self.columns), device=self.device)[:, None, None]).sum(2)
        self._shares = uses / self._divisor  # [column, session] of each column in a session's mean

    @classmethod
    def start(
        cls, sessions: int, slots: int, regions: RegionVectors, formula: RegionFormula, fine: bool = False
    ) -> "StateScores":
        """Before anything was said: no slot is filled, and all candidates tie at 0.

        Args:
            sessions: of a batch.
            slots: state vectors of a session.
            regions: the images.
            formula: of the scores.
            fine: make blocks as near as float32 products, for those who read whole tables; a search needs it not.
        Raises:
            ValueError: slots < 1.
        """
        if slots < 1:
            raise ValueError(f"a session needs at least one state vector, not {slots}")
        return cls((), torch.full((sessions, slots), -1, device=regions.vectors.device), regions, formula, fine)

    def after(self, slot: Int[Tensor, " session"], vectors: Float[Tensor, "session dim"]) -> "StateScores":
        """The scores once one slot of each session holds a new vector.

        Args:
            slot: in [0, slots).
            vectors: of any length but zero.
        Raises:
            ValueError: a slot that is not there; vectors of another width, not finite, or zero.
        """
        slots, dim = self.places.shape[1], self.regions.vectors.shape[2]
        if bool(((slot < 0) | (slot >= slots)).any()):
            raise ValueError(f"slots are 0..{slots - 1}, not {slot.tolist()}")
        if vectors.shape[1] != dim:
            raise ValueError(f"state vectors have {vectors.shape[1]} numbers, the gallery's regions {dim}")
        columns = (*self.columns, Column(vectors.to(self.device), self.regions, self.formula, self.fine))
        written = torch.arange(slots, device=self.device) == slot.to(self.device)[:, None]
        places = torch.where(written, len(self.columns), self.places)
        used = torch.bincount(places.flatten() + 1, minlength=len(columns) + 1)[1:].nonzero()[:, 0]
        places = torch.where(places < 0, -1, torch.searchsorted(used, places))
        return StateScores([columns[place] for place in used.tolist()], places, self.regions, self.formula, self.fine)

    @property
    def slack(self) -> Float64[Tensor, " session"]:
        """See `multiturn.scoring.Scores.slack`."""
        return self._slack

    @cached_property
    def _slack(self) -> Float64[Tensor, " session"]:
        total = torch.zeros_like(self.offset)
        for column, share in zip(self.columns, self._shares, strict=True):
            total += share * column.slack
        if not self.columns:
            return total
        return 1.01 * total + self._beside

    @cached_property
    def _beside(self) -> float:
        """Shares and sums in float32, and the rounding of the exact scores to their grid."""
        most = max(column.root_mean_square for column in self.columns)
        return (len(self.columns) + 6) * 2.0**-24 * most + self._pairs.grid

    needs_floor = False

    @property
    def screened(self) -> bool:
        """See `multiturn.scoring.ScreenedScores.screened`: where more is known of single similarities than of all."""
        return self.regions.kernel is not None and self.regions.kernel.fast_integers and bool(self._bounds)

    @property
    def screen_slack(self) -> Float64[Tensor, " session"]:
        """See `multiturn.scoring.ScreenedScores.screen_slack`."""
        return torch.zeros_like(self.offset)

    def close(self, first: int, last: int, limits: Limits) -> tuple[Int[Tensor, " session"], Close] | None:
        """See `multiturn.scoring.ScreenedScores.close`."""
        assert self.regions.kernel is not None
        library, tables = self.regions.kernel.library, [column.table for column in self.columns]
        return find_close(library, tables, self._bounds, self._shares, self._beside, first, last, limits)

    @cached_property
    def _bounds(self) -> list[Bound]:
        """On single similarities of each column; none where some column has none."""
        bounds = [column.bound for column in self.columns]
        known = [bound for bound in bounds if bound is not None]
        return known if len(known) == len(bounds) else []

    def block(self, first: int, last: int) -> Float[Tensor, "session block"]:
        """See `multiturn.scoring.Scores.block`."""
        total = torch.zeros(self.shape[0], last - first, device=self.device)
        for column, share in zip(self.columns, self._shares, strict=True):
            total.addcmul_(column.table[:, first:last], share[:, None])
        return total

    @cached_property
    def _pairs(self) -> Pairs:
        return Pairs(self.columns, self.places, self._divisor, self.regions, self.formula)

    def exact(self, session: Int[Tensor, " pair"], candidate: Int[Tensor, " pair"]) -> Float64[Tensor, " pair"]:
        """See `multiturn.scoring.Scores.exact`."""
        if not self.columns:
            return torch.zeros(len(session), dtype=torch.float64, device=self.device)
        return self._pairs.scores(session, candidate)
