"""A perceptron with three hidden layers that tells liked from disliked images, fitted for all sessions at once."""

import torch
from jaxtyping import Float, Int8
from torch import Tensor
from torch.nn.functional import normalize, softplus

from relevance.networks import Networks, Training
from relevance.products import Products
from relevance.retriever import FittedRetriever
from relevance.state import RelevanceState


class MLP(FittedRetriever):
    """Logit of a perceptron trained with binary cross-entropy, in which both classes weigh the same.

    Args:
        hidden: width of each of the three hidden layers.
        training: of each session's network.
        example: whether the example image counts as liked.
    Source:
        papers/relevance-feedback-cub.txt: "three hidden layers and a binary cross-entropy loss"; widths, steps and
        weights of the classes are not stated there. That the first layer stays in the span of the judged images (see
        `Networks`) is ours.
    """

    def __init__(self, hidden: int = 32, training: Training | None = None, example: bool = True) -> None:
        super().__init__()
        self.hidden, self.training, self.example = hidden, training or Training(), example

    def fitted(self, state: RelevanceState, unit: Float[Tensor, "candidate dim"]) -> Float[Tensor, "session candidate"]:
        """See `FittedRetriever.fitted`."""
        shared = self.products(unit)
        rows, labels = labelled(state, unit, shared, self.example)
        weights = balanced(labels)

        def cross_entropy(logits: Float[Tensor, "session 1 row"]) -> Float[Tensor, " session"]:
            return (softplus(-labels * logits[:, 0]) * weights).sum(1)

        networks = Networks(rows, [self.hidden] * 3 + [1], self.training.seed)
        networks.train(cross_entropy, self.training)
        return networks.of_all(shared, state.judged, lambda logits, *_: logits[:, 0])

    def scaled(self, unit: Float[Tensor, "candidate dim"]) -> Float[Tensor, "candidate dim"]:
        """See `FittedRetriever.scaled`."""
        return centred(unit, unit)


def labelled(
    state: RelevanceState, unit: Float[Tensor, "candidate dim"], shared: Products, example: bool
) -> tuple[Float[Tensor, "session row dim"], Int8[Tensor, "session row"]]:
    """What each session's model is fitted to.

    Args:
        shared: `centred` vectors of the gallery.
    Returns:
        the example and the judged images, in the same scale, and zero where there is none; +1, -1 or 0 for each.
    """
    query = centred(normalize(state.query, dim=1), unit)
    given = (state.query != 0).any(1, keepdim=True)
    rows = torch.cat([query[:, None], shared.vectors[state.judged.clamp(min=0)]], 1)
    known = torch.cat([given, state.judged >= 0], 1)
    labels = torch.cat([(given & example).to(torch.int8), state.liked], 1)
    return rows.mul_(known[:, :, None]), labels


def centred(vectors: Float[Tensor, "row dim"], unit: Float[Tensor, "candidate dim"]) -> Float[Tensor, "row dim"]:
    """Vectors as seen from the gallery's mean, where its own have a squared length of 1 on average."""
    shift = unit.mean(0)
    return (vectors - shift) / (unit - shift).square().sum(1).mean().sqrt().clamp(min=1e-12)


def balanced(labels: Int8[Tensor, "session row"]) -> Float[Tensor, "session row"]:
    """Weights that add up to one half for the likes and for the dislikes of each session."""
    parts = [(labels == sign) / (2 * (labels == sign).sum(1, keepdim=True).clamp(min=1)) for sign in (1, -1)]
    return parts[0] + parts[1]
