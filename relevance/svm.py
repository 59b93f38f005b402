"""A support vector machine with an RBF kernel, fitted to each session's likes and dislikes by scikit-learn."""

import torch
from jaxtyping import Float
from torch import Tensor

from relevance.retriever import FittedRetriever
from relevance.state import RelevanceState


class SVM(FittedRetriever):
    """Distance from the border of an RBF support vector machine, on vectors of length 1.

    Sessions are fitted one after the other: scikit-learn has no batched fit. The kernel between judged images and
    candidates is computed once for fit and scores.

    Args:
        cost: C; a class weighs as much as the other, however many images it has.
        width: gamma is `width` over the gallery's total variance: at 1 it is scikit-learn's 'scale', taken from the
            gallery, since so few judged images say little of the spread.
        example: whether the example image counts as liked.
    Source:
        papers/relevance-feedback-cub.txt: "SVM ... with a rbf Kernel"; C, gamma and weights are not stated there.
    """

    def __init__(self, cost: float = 1.0, width: float = 1.0, example: bool = True) -> None:
        super().__init__()
        self.cost, self.width, self.example = cost, width, example

    def fitted(self, state: RelevanceState, unit: Float[Tensor, "candidate dim"]) -> Float[Tensor, "session candidate"]:
        """See `FittedRetriever.fitted`."""
        gamma = self.width / float(unit.var(0, correction=0).sum().clamp(min=1e-12))
        scores = []
        for query, judged, liked in zip(state.query, state.judged, state.liked, strict=True):
            known = judged >= 0
            vectors, labels = unit[judged[known]], liked[known]
            if self.example and bool((query != 0).any()):
                vectors = torch.cat([query[None] / query.norm(), vectors])
                labels = torch.cat([labels.new_ones(1), labels])
            scores.append(self._one(vectors, labels, unit, gamma))
        return torch.stack(scores)

    def _one(self, vectors: Tensor, labels: Tensor, unit: Tensor, gamma: float) -> Float[Tensor, " candidate"]:
        from sklearn.svm import SVC

        kernel = rbf(vectors, vectors, gamma).double().cpu().numpy()
        machine = SVC(C=self.cost, kernel="precomputed", class_weight="balanced").fit(kernel, labels.cpu().numpy())
        support = torch.from_numpy(machine.support_).long().to(unit.device)
        weights = torch.from_numpy(machine.dual_coef_[0]).to(unit)
        return weights @ rbf(vectors[support], unit, gamma) + float(machine.intercept_[0])


def rbf(one: Float[Tensor, "row dim"], other: Float[Tensor, "column dim"], gamma: float) -> Float[Tensor, "row column"]:
    """exp(-gamma |x - y|^2) of vectors of length 1."""
    return (2 * gamma * (one @ other.T - 1)).exp_()
