"""PicHunter: a posterior over all candidates, updated by a model of which images a user likes on a page."""

import torch
from jaxtyping import Float, Int, Int8
from torch import Tensor
from torch.nn.functional import embedding_bag, normalize

from multiturn.gallery import Gallery
from multiturn.scoring import DenseScores, Scores
from relevance.retriever import FittedRetriever, directions
from relevance.state import RelevanceState


class PicHunter(FittedRetriever):
    """Log-posterior of each candidate being what the user looks for.

    With s(x, T) the cosine of image x and candidate T, and pages D_1, D_2, ... of judged images:

        log P(T | all) = s(q, T) / prior + sum over pages D of
            sum over liked i in D of     log softmax over j in D of ( s(j, T) / temperature) at i
          + sum over disliked i in D of  log softmax over j in D of (-s(j, T) / temperature) at i  (+ constant)

    The example image q gives the prior, in place of the uniform one of an open search.

    Args:
        temperature: of the user model, at least 0.02: a small one takes every judgement for certain.
        prior: temperature of the prior.
    Source:
        Cox, Miller, Minka, Papathomas and Yianilos, "The Bayesian image retrieval system, PicHunter", IEEE
        Transactions on Image Processing 9(1), 2000: Bayes' rule with a softmin user model of what is liked. The
        factor for dislikes is that of PicHunter* in "Comparative analysis of relevance feedback techniques for image
        retrieval" (code: vadicamo/relevance-feedback, src/f_pichunter_star.py). Its prior is uniform.
    """

    def __init__(self, temperature: float = 0.3, prior: float = 0.3) -> None:
        super().__init__()
        if not (temperature >= 0.02 and prior > 0):
            raise ValueError(f"temperature is at least 0.02, and prior above 0, not {temperature} and {prior}")
        self.temperature, self.prior = temperature, prior
        self._heard: tuple[RelevanceState, Tensor, Tensor] | None = None

    def fitted(self, state: RelevanceState, unit: Float[Tensor, "candidate dim"]) -> Float[Tensor, "session candidate"]:
        """See `FittedRetriever.fitted`.

        What the pages before added is kept, so that a turn costs one page. The sums are the same either way.
        """
        heard = self._heard
        if heard is not None and heard[1] is unit and _goes_on(heard[0], state):
            total, first = heard[2], heard[0].judged.shape[1]
        else:
            total, first = torch.zeros(len(state.query), len(unit), device=unit.device), 0
        for page in state.page[first:].unique():
            columns = state.page == page
            total = total + self._likelihood(state.judged[:, columns], state.liked[:, columns], unit)
        self._heard = state, unit, total
        return torch.addmm(total, normalize(state.query, dim=1), unit.T, alpha=1 / self.prior)

    def _score(self, state: RelevanceState, gallery: Gallery) -> Scores:
        if not bool(state.both.any()):
            return super()._score(state, gallery)
        # All of them at once: whoever has not seen both yet is counted on for later.
        scores = self.fitted(state, self.unit(gallery))
        if not bool(state.both.all()):
            scores = torch.where(state.both[:, None], scores, directions(state, gallery) @ self.unit(gallery).T)
        return DenseScores(scores)

    def _likelihood(
        self, judged: Int[Tensor, "session shown"], liked: Int8[Tensor, "session shown"], unit: Tensor
    ) -> Float[Tensor, "session candidate"]:
        """Log-probability of a page's judgements, for each candidate as the target."""
        # Sessions share the gallery: what belongs to a judged image is computed once for all that judged it.
        images, place = judged.clamp(min=0).unique(return_inverse=True)
        known, signs, shared = (liked != 0).float(), liked.float(), self.products(unit)
        # A session without a judgement on this page adds log(1) = 0.
        nothing = (known.sum(1) == 0).float()[:, None]
        likes, dislikes = ((liked == sign).sum(1)[:, None] for sign in (1, -1))
        total = torch.empty(len(judged), len(unit), device=unit.device)
        for number, some in enumerate(shared.parts):
            logits = shared.of(images, number) / self.temperature
            part = embedding_bag(place, logits, per_sample_weights=signs, mode="sum")
            for odds, count in ((logits.exp(), likes), (logits.neg_().exp_(), dislikes)):
                sums = embedding_bag(place, odds, per_sample_weights=known, mode="sum") + nothing
                part -= count * sums.log_()
            total[:, some] = part
        return total


def _goes_on(before: RelevanceState, now: RelevanceState) -> bool:
    """Whether a state has all judgements of another, in their order, and perhaps more."""
    count = before.judged.shape[1]
    return (
        before.judged.shape[0] == now.judged.shape[0]
        and torch.equal(before.page, now.page[:count])
        and torch.equal(before.judged, now.judged[:, :count])
        and torch.equal(before.liked, now.liked[:, :count])
    )
