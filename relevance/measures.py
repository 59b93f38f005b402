"""How well a session finds the images of a class: what its pages held, and the order of all the rest."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from multiturn.draws import uniform
from multiturn.gallery import Gallery
from multiturn.ranked_lists import average_precision, in_ranked_order
from multiturn.ranks import Ranks
from multiturn.search import search
from multiturn.session import Retriever, Turn


@dataclass(frozen=True)
class ClassSearch:
    """Ranks and measures of sessions that look for the class of one image, which itself is out of the list.

    The whole list of a turn: the judged images in the order in which they were shown, then all others by score. So
    what was found stays found, and methods that have found much are not punished for the hard rest.

    Attributes:
        retriever: whose states are measured.
        gallery: that is searched.
        labels: class of each candidate.
        page_size: images shown a turn.
        seed: of the image of the class whose rank is watched.
    """

    retriever: Retriever
    gallery: Gallery
    labels: Int[Tensor, " candidate"]
    page_size: int = 8  # papers/relevance-feedback-cub.txt
    seed: int = 0

    def watched(self, target: Int[Tensor, " session"]) -> Int[Tensor, " session"]:
        """One other image of each target's class, drawn by the target's position."""
        draws = uniform(self.seed, target, 0, len(self.gallery)).masked_fill(~self.wanted(target), -1.0)
        return draws.argmax(1)

    def wanted(self, target: Int[Tensor, " session"]) -> Bool[Tensor, "session candidate"]:
        """Which candidates are of the target's class, itself left out."""
        same = self.labels[target][:, None] == self.labels
        return same.scatter(1, target[:, None], False)

    def unlisted(self, turn: Turn, target: Int[Tensor, " session"]) -> Int[Tensor, "session out"]:
        """What a page cannot show any more: the image itself, and what was judged."""
        return torch.cat([target[:, None], turn.state.judged], 1)

    def to_be_shown(self, turn: Turn, target: Int[Tensor, " session"]) -> Bool[Tensor, "session candidate"]:
        """Which candidates are of the class and can still be shown."""
        return self.wanted(target).scatter(1, self._out(turn, target), False)

    def _out(self, turn: Turn, target: Int[Tensor, " session"]) -> Int[Tensor, "session out"]:
        """The same as `unlisted`, filled up by the image itself."""
        out = self.unlisted(turn, target)
        return torch.where(out >= 0, out, target[:, None])

    def ranks(self, turn: Turn, target: Int[Tensor, " session"]) -> Ranks:
        """Rank of the watched image in the whole list."""
        judged, watched = turn.state.judged, self.watched(target)
        scores = self.retriever.score(turn.state, self.gallery)
        found = search(scores, 1, watched, self.unlisted(turn, target), "rank").ranks
        assert found is not None
        before = (judged >= 0).cumsum(1)
        shown = judged == watched[:, None]
        place = (before * shown).sum(1)
        count = (judged >= 0).sum(1)
        best, worst = (torch.where(shown.any(1), place, end + count) for end in (found.best, found.worst))
        return Ranks(best, worst, len(self.gallery))

    def measures(self, turn: Turn, target: Int[Tensor, " session"]) -> Mapping[str, Tensor]:
        """What a turn's page holds, and how good its lists are.

        Returns:
            `Hit@K`, 1 if one of the K images shown is of the class (metric learning, and the source, call it
            Recall@K), and `precision@K`, the share of them: both are of the page, not of a list;
            `average_precision` of the whole list; `average_precision_left`, of the list without the judged images (1
            where nothing of the class is left); `found`, the share of the class among the judged images and the page;
            and `left`, 1 if something of the class was left to be shown: no Hit@K can be above its mean.
        """
        judged, wanted = turn.state.judged, self.wanted(target)
        page = wanted.gather(1, turn.shown)
        total = wanted.sum(1).clamp(min=1)
        earlier = wanted.gather(1, judged.clamp(min=0)) & (judged >= 0)
        table = self.retriever.score(turn.state, self.gallery).block(0, len(self.gallery))
        table = table.scatter(1, self._out(turn, target), -torch.inf)
        rest = in_ranked_order(table, self.to_be_shown(turn, target))
        left = rest.any(1)
        return {
            f"Hit@{self.page_size}": page.any(1).double(),
            f"precision@{self.page_size}": page.sum(1).double() / self.page_size,
            "average_precision": average_precision(torch.cat([earlier, rest], 1)),
            "average_precision_left": torch.where(left, average_precision(rest), 1.0),
            "found": (earlier.sum(1) + page.sum(1)).double() / total,
            "left": left.double(),
        }
