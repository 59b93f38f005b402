"""One small network a session, all trained together: weights carry a session axis, and sums never cross it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiturn.settings import at_least
from relevance.products import Products

# Shared rows at once, so that their values in all layers stay in the processor's caches: 32 numbers each, or as many as
# a session has rows where products are looked up.
_ROWS, _LOOKED_UP = 1024, 256


@dataclass(frozen=True)
class Training:
    """How the networks of a turn are trained, from the same initial weights in every session and turn.

    Attributes:
        steps: of Adam, each on all judgements of a session.
        learning_rate: of Adam.
        seed: of the initial weights.
    """

    steps: int = 40
    learning_rate: float = 3e-3
    seed: int = 0

    def __post_init__(self) -> None:
        at_least("steps", self.steps, 1)
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be above 0, not {self.learning_rate}")


class Networks:
    """Multi-layer perceptrons with ReLU between layers, one a session, each with a few rows of its own to learn from.

    Gradient descent moves the first layer's weights within the span of those rows, W = rows^T A. So A is what is
    learnt: the inputs enter by their products with the rows, the cost does not grow with their width, and what no row
    speaks of has no random weight.

    Args:
        rows: what each session's network learns from; a row of zeros is none.
        widths: of each hidden layer and the output.
        seed: of the initial weights, which all sessions share: He's for ReLU layers.
        last: scale of the last layer's initial weights.
    """

    def __init__(
        self, rows: Float[Tensor, "session row in"], widths: Sequence[int], seed: int, last: float = 1.0
    ) -> None:
        sessions, count, _ = rows.shape
        generator = torch.Generator().manual_seed(seed)
        self._rows, self.gram = rows, rows @ rows.transpose(1, 2)
        self._layers: list[tuple[Tensor, Tensor]] = []
        for number, (fan_in, fan_out) in enumerate(zip([count, *widths], widths, strict=False)):
            spread = (2 / fan_in) ** 0.5 * (last if number == len(widths) - 1 else 1)
            weight = (torch.randn(fan_in, fan_out, generator=generator) * spread).to(rows.device)
            bias = torch.zeros(1, fan_out, device=rows.device)
            one, other = (part.expand(sessions, -1, -1).clone().requires_grad_() for part in (weight, bias))
            self._layers.append((one, other))

    def train(
        self, loss: Callable[[Float[Tensor, "session row out"]], Float[Tensor, " session"]], training: Training
    ) -> None:
        """Minimise each session's loss of the outputs for its rows.

        Adam works number by number, so that sessions do not touch each other.
        """
        learnt = [part for layer in self._layers for part in layer]
        optimizer = torch.optim.Adam(learnt, lr=training.learning_rate, eps=1e-6, fused=True)
        with torch.enable_grad():
            for _ in range(training.steps):
                optimizer.zero_grad()
                loss(self._forward(self.gram)).sum().backward()
                optimizer.step()

    @torch.no_grad()
    def own(self) -> Float[Tensor, "session row out"]:
        """Outputs for the rows of each session."""
        return self._forward(self.gram)

    @torch.no_grad()
    def of_all(
        self,
        shared: Products,
        judged: Int[Tensor, "session judged"],
        read: Callable[[Tensor, slice], Float[Tensor, "session some"]],
    ) -> Float[Tensor, "session candidate"]:
        """What `read` makes of the outputs for vectors that all sessions share.

        Args:
            shared: the vectors. The first row of each session is its own, the others are some of these.
            judged: which; anything where a row is none.
            read: is given outputs (session, some, out), and which of the vectors they belong to.
        """
        if shared.table is None:
            weights = self._rows.transpose(1, 2) @ self._layers[0][0]
        else:
            known = (self._rows != 0).any(2, keepdim=True)
            weights = self._layers[0][0] * known
        parts = []
        for first in range(0, len(shared.vectors), _ROWS if shared.table is None else _LOOKED_UP):
            some = slice(first, first + (_ROWS if shared.table is None else _LOOKED_UP))
            if shared.table is None:
                values = torch.einsum("nd,sdh->snh", shared.vectors[some], weights)
            else:
                own = (self._rows[:, 0] @ shared.vectors[some].T)[:, None]
                values = torch.cat([own, shared.of(judged, some)], 1).transpose(1, 2) @ weights
            parts.append(read(self._above(values + self._layers[0][1]), some))
        return torch.cat(parts, 1)

    def _forward(self, inputs: Float[Tensor, "session row in"]) -> Float[Tensor, "session row out"]:
        (first, bias), *_ = self._layers
        return self._above(torch.baddbmm(bias, inputs, first))

    def _above(self, values: Float[Tensor, "session row hidden"]) -> Float[Tensor, "session row out"]:
        for weight, bias in self._layers[1:]:
            values = torch.baddbmm(bias, values.relu(), weight)
        return values
