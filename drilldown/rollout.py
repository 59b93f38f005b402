"""One training step: a batch of pictures is described turn by turn, and the loss of its sessions returned."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from drilldown.drill_down import DrillDown
from drilldown.losses import every_triplet, hardest_triplet, softmax_of_batch
from drilldown.model_settings import LossSettings
from drilldown.policy_training import policy_loss
from drilldown.retriever import TextRetriever
from multiturn.draws import uniform
from multiturn.gallery import Gallery
from multiturn.regions import Regions


@dataclass(frozen=True)
class Seeds:
    """Seeds of the draws of one experiment, all made of one number so that none is used twice."""

    base: int

    @property
    def captions(self) -> int:
        """Of the order of a picture's captions."""
        return 4 * self.base

    @property
    def act(self) -> int:
        """Of the states that a policy draws."""
        return 4 * self.base + 1

    @property
    def look_ahead(self) -> int:
        """Of those it draws in a look-ahead."""
        return 4 * self.base + 2

    @property
    def policy(self) -> int:
        """Of the random policy."""
        return 4 * self.base + 3


class Rollout(nn.Module):
    """Plays a batch of sessions and returns the loss: one module, so that processes synchronise on its forward.

    Args:
        retriever: to be trained; stage 1 leaves out the weights of a learned policy.
        gallery: of training pictures; every one of them is a target once an epoch.
        captions: of each picture, in the gallery's order; a session says `settings.turns` of them.
        settings: of turns and losses.
        seeds: of all draws.
        shuffled: whether each epoch says a picture's captions in a fresh random order; otherwise the first ones
            in theirs.
    Raises:
        ValueError: a gallery that the retriever cannot search; a picture with fewer captions than turns; stage 2 of
            a model that has no policy to learn, or a state for every turn.
    Source:
        papers/drill-down.txt, sections 3.5 and 4: the triplet loss of every turn, averaged over turns, and
        in stage 2 the policy's loss beside it. With several processes, each takes the hardest negatives of its own
        batch, and gradients are averaged.
    """

    def __init__(
        self,
        retriever: nn.Module,
        gallery: Gallery,
        captions: Sequence[Sequence[str]],
        settings: LossSettings,
        seeds: Seeds,
        shuffled: bool = True,
    ) -> None:
        super().__init__()
        assert isinstance(retriever, TextRetriever)
        retriever.check(gallery)
        _check_captions(gallery, captions, settings.turns)
        if settings.stage == 2:
            _check_second_stage(retriever, settings.turns)
        self.retriever = retriever
        self._gallery, self._captions, self._settings = gallery, captions, settings
        self._seeds, self._shuffled = seeds, shuffled
        if isinstance(retriever, DrillDown):
            # Several processes wait for the gradient of every weight that wants one, and stage 1 gives this none.
            retriever.learned.requires_grad_(settings.stage == 2)

    def forward(self, target: Int[Tensor, " session"], epoch: int) -> Float[Tensor, ""]:
        """Mean over sessions and turns, of positions in the gallery."""
        sessions = target + epoch * len(self._gallery)
        said, regions = self._said(target, sessions), self._regions(target)
        retriever = self.retriever
        if self._settings.stage == 2:
            assert isinstance(retriever, DrillDown)
            tables, of_policy = policy_loss(retriever, said, regions, self._settings, sessions, self._seeds)
            return self._over_turns(tables) + self._settings.policy_weight * of_policy
        return self._over_turns(retriever.tables(said, regions), epoch < self._settings.warm_up)

    def _over_turns(
        self, tables: Sequence[Float[Tensor, "session picture"]], warming_up: bool = False
    ) -> Float[Tensor, ""]:
        return torch.stack([self._of_batch(table, warming_up) for table in tables]).mean()

    def _of_batch(self, table: Float[Tensor, "session picture"], warming_up: bool) -> Float[Tensor, ""]:
        settings = self._settings
        match "all" if warming_up else settings.negatives:
            case "hardest":
                return hardest_triplet(table, settings.margin)
            case "all":
                return every_triplet(table, settings.margin)
            case "softmax":
                return softmax_of_batch(table, settings.temperature)

    def _regions(self, target: Int[Tensor, " session"]) -> Regions:
        vectors, mask = self._gallery.vectors, self._gallery.mask
        rows = target.to(vectors.device)
        chosen = vectors[rows].to(target.device).float()
        if mask is None:  # HRE takes the mean of regions, so one vector a picture is one region.
            return Regions(chosen[:, None], None, torch.ones(len(rows), 1, dtype=torch.bool, device=target.device))
        return Regions(chosen, None, mask[rows].to(target.device))

    def _said(self, target: Int[Tensor, " session"], sessions: Int[Tensor, " session"]) -> list[list[str]]:
        turns = self._settings.turns
        places: list[int] = target.tolist()
        captions = [list(self._captions[place]) for place in places]
        if not self._shuffled:
            return [own[:turns] for own in captions]
        draws = uniform(self._seeds.captions, sessions.cpu(), 0, max(map(len, captions)))
        # Sorted by numbers drawn for each, a picture's captions are in a random order.
        drawn = [sorted(zip(row.tolist(), own, strict=False)) for row, own in zip(draws, captions, strict=True)]
        return [[caption for _, caption in own[:turns]] for own in drawn]


def _check_captions(gallery: Gallery, captions: Sequence[Sequence[str]], turns: int) -> None:
    if len(captions) != len(gallery):
        raise ValueError(f"{len(captions)} pictures have captions, and the gallery holds {len(gallery)}")
    for name, own in zip(gallery.ids, captions, strict=True):
        if len(own) < turns:
            raise ValueError(
                f"picture {name!r} has {len(own)} captions for {turns} turns; lower the number of turns, or leave out "
                "pictures with fewer captions"
            )


def _check_second_stage(retriever: nn.Module, turns: int) -> None:
    if not isinstance(retriever, DrillDown):
        raise ValueError(f"stage 2 trains the policy of drill-down; {type(retriever).__name__} has none: use stage 1")
    if retriever.slots == 1 or retriever.slots >= turns:
        raise ValueError(
            f"with {retriever.slots} states and {turns} turns there is no state to choose, so stage 2 has nothing to "
            "learn; use stage 1, or between 2 states and one less than there are turns"
        )
