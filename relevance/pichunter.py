"""PicHunter: a posterior over all candidates, updated by a model of which images a user likes on a page."""

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag, normalize

from relevance.retriever import FittedRetriever
from relevance.state import RelevanceState

_CELLS = 1 << 25  # cosines held at once, 128 MB


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

    def fitted(self, state: RelevanceState, unit: Float[Tensor, "candidate dim"]) -> Float[Tensor, "session candidate"]:
        """See `FittedRetriever.fitted`."""
        scores = normalize(state.query, dim=1) @ unit.T / self.prior
        # Sessions share the gallery: what belongs to a judged image is computed once for all that judged it.
        images, place = state.judged.clamp(min=0).unique(return_inverse=True)
        block = max(1, _CELLS // (len(images) + len(scores)))
        shared = self.products(unit)
        for first in range(0, len(unit), block):
            some = slice(first, first + block)
            scores[:, some] += self._likelihood(shared.of(images, some) / self.temperature, place, state)
        return scores

    def at_once(self, candidates: int) -> int:
        """See `FittedRetriever.at_once`: all that a table of scores can hold."""
        return max(1, _CELLS // candidates)

    def _likelihood(
        self, logits: Float[Tensor, "image candidate"], place: Int[Tensor, "session judged"], state: RelevanceState
    ) -> Float[Tensor, "session candidate"]:
        """Log-probability of all judgements, for each candidate as the target."""
        near, far = logits.exp(), (-logits).exp()
        total = embedding_bag(place, logits, per_sample_weights=state.liked.float(), mode="sum")
        for page in state.page.unique():
            columns = state.page == page
            own, liked = place[:, columns], state.liked[:, columns]
            known = (liked != 0).float()
            # A session without a judgement on this page adds log(1) = 0.
            nothing = (known.sum(1) == 0).float()[:, None]
            for odds, sign in ((near, 1), (far, -1)):
                sums = embedding_bag(own, odds, per_sample_weights=known, mode="sum") + nothing
                total -= (liked == sign).sum(1)[:, None] * sums.log()
        return total
