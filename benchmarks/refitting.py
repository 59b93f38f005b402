"""Plain loops that refit a method one session at a time, as a script would: NumPy, scikit-learn, a torch network."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from jaxtyping import Float, Int

# Scores of all candidates from the example, the judged images, whether each was liked, and the candidates.
Refit = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def looped(
    fit: Refit,
    vectors: Float[np.ndarray, "candidate dim"],
    labels: Int[np.ndarray, " candidate"],
    examples: Float[np.ndarray, "session dim"],
    targets: Int[np.ndarray, " session"],
    iterations: int,
    page: int,
) -> float:
    """Play the sessions one after the other; returns the share of their classes that they found."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = 0.0
    for target, example in zip(targets, examples / np.linalg.norm(examples, axis=1, keepdims=True), strict=True):
        judged, scores = np.empty(0, int), unit @ example
        for _ in range(iterations):
            gone = np.append(judged, target)
            scores[gone] = -np.inf
            shown = np.argpartition(-scores, page)[:page]
            judged = np.append(judged, shown[np.argsort(-scores[shown], kind="stable")])
            liked = labels[judged] == labels[target]
            scores = fit(example, judged, liked, unit) if 0 < liked.sum() < len(liked) else unit @ example
        found += (labels[judged] == labels[target]).sum() / ((labels == labels[target]).sum() - 1)
    return found / len(targets)


def rocchio(example: np.ndarray, judged: np.ndarray, liked: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """scikit-learn's cosines of the moved query and all candidates."""
    from sklearn.metrics.pairwise import cosine_similarity

    moved = example + 0.75 * unit[judged[liked]].mean(0) - 0.15 * unit[judged[~liked]].mean(0)
    return cosine_similarity(moved[None], unit)[0]


def pichunter(page: int) -> Refit:
    """The posterior, page by page, computed anew from all pages."""

    def fit(example: np.ndarray, judged: np.ndarray, liked: np.ndarray, unit: np.ndarray) -> np.ndarray:
        total = unit @ example / 0.3
        for first in range(0, len(judged), page):
            own = liked[first : first + page]
            logits = unit[judged[first : first + page]] @ unit.T / 0.3
            near, far = np.exp(logits), np.exp(-logits)
            total = total + np.log(near[own] / near.sum(0)).sum(0) + np.log(far[~own] / far.sum(0)).sum(0)
        return total

    return fit


def svm(example: np.ndarray, judged: np.ndarray, liked: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """scikit-learn's SVC on the vectors."""
    from sklearn.svm import SVC

    machine = SVC(gamma=1 / unit.var(0).sum(), class_weight="balanced")
    machine.fit(np.concatenate([example[None], unit[judged]]), np.append(True, liked))
    return machine.decision_function(unit)


def sklearn_mlp(steps: int) -> Refit:
    """scikit-learn's MLPClassifier, the same widths and number of steps."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    def fit(example: np.ndarray, judged: np.ndarray, liked: np.ndarray, unit: np.ndarray) -> np.ndarray:
        network = MLPClassifier((32, 32, 32), learning_rate_init=3e-3, max_iter=steps, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit(np.concatenate([example[None], unit[judged]]), np.append(True, liked))
        return np.array(network.predict_proba(unit))[:, 1]

    return fit


def triplet(steps: int, margin: float = 0.2) -> Refit:
    """A network of torch on the vectors, trained on all triplets of example, like and dislike."""

    def fit(example: np.ndarray, judged: np.ndarray, liked: np.ndarray, unit: np.ndarray) -> np.ndarray:
        torch.manual_seed(0)
        everyone, rows = torch.from_numpy(unit), torch.from_numpy(np.concatenate([example[None], unit[judged]]))
        widths = [unit.shape[1], 32, 32, 32, 48]
        layers = [layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), nn.ReLU())]
        network, sign = nn.Sequential(*layers[:-1]), torch.from_numpy(liked)
        optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
        for _ in range(steps):
            embedded = nn.functional.normalize(network(rows), dim=1)
            cosines = embedded[1:] @ embedded[0]
            loss = (cosines[~sign][None] - cosines[sign][:, None] + margin).relu().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            anchor, all_of_them = network(rows[:1]), network(everyone)
            return nn.functional.cosine_similarity(all_of_them, anchor).numpy().copy()

    return fit
