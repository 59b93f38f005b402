"""One small network a session, all trained together: weights carry a session axis, and sums never cross it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from multiturn.settings import at_least
from relevance.products import Products

# At once, 2 MB: they and what the layers make of them stay in a processor's caches. A GPU wants more at once.
_PRODUCTS = {"cpu": 1 << 19, "cuda": 1 << 26}


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
            weight = (torch.randn(fan_in, fan_out, generator=generator) * spread).T.to(rows.device)
            bias = torch.zeros(fan_out, 1, device=rows.device)
            one, other = (part.expand(sessions, -1, -1).clone().requires_grad_() for part in (weight, bias))
            self._layers.append((one, other))

    def train(
        self, loss: Callable[[Float[Tensor, "session out row"]], Float[Tensor, " session"]], training: Training
    ) -> None:
        """Minimise each session's loss of the outputs for its rows.

        Adam works number by number, so that sessions do not touch each other.
        """
        learnt = [part for layer in self._layers for part in layer]
        optimizer = torch.optim.Adam(learnt, lr=training.learning_rate, eps=1e-6, fused=True)
        with torch.enable_grad():
            for _ in range(training.steps):
                optimizer.zero_grad()
                loss(_forward(self._layers, self.gram)).sum().backward()
                optimizer.step()

    @torch.no_grad()
    def own(self) -> Float[Tensor, "session out row"]:
        """Outputs for the rows of each session."""
        return _forward(self._layers, self.gram)

    @torch.no_grad()
    def of_all(
        self,
        shared: Products,
        judged: Int[Tensor, "session judged"],
        read: Callable[[Tensor, slice, slice], Float[Tensor, "session some"]],
    ) -> Float[Tensor, "session candidate"]:
        """What `read` makes of the outputs for vectors that all sessions share.

        Args:
            shared: the vectors. The first row of each session is its own, the others are some of these.
            judged: which; anything where a row is none.
            read: is given outputs (session, out, some), and of which sessions and vectors they are.
        """
        sessions, count, _ = self._rows.shape
        places = pad(judged.clamp(min=0), (1, 0))
        several = max(1, _PRODUCTS[places.device.type] // (count * shared.parts[0].stop))
        groups = [slice(first, first + several) for first in range(0, sessions, several)]
        (first, bias), *above = self._layers
        # A row that is none has looked up some products nevertheless.
        first = (
            first @ self._rows if shared.table is None else first * (self.gram.diagonal(dim1=1, dim2=2) > 0)[:, None]
        )
        layers = [[(weight[some], bias[some]) for weight, bias in [(first, bias), *above]] for some in groups]
        outputs = torch.empty(sessions, len(shared.vectors), device=self._rows.device)
        for number, part in enumerate(shared.parts):
            vectors = shared.vectors[part].T
            own = self._rows[:, 0] @ vectors
            for some, group in zip(groups, layers, strict=True):
                if shared.table is None:
                    inputs = vectors.expand(len(places[some]), -1, -1)
                else:
                    inputs = shared.of(places[some].flatten(), number).view(-1, count, own.shape[1])
                    inputs[:, 0] = own[some]
                outputs[some, part] = read(_forward(group, inputs), some, part)
        return outputs


def _forward(
    layers: Sequence[tuple[Tensor, Tensor]], inputs: Float[Tensor, "session in row"]
) -> Float[Tensor, "session out row"]:
    """Outputs of weights (session, out, in) and biases (session, out, 1)."""
    (weight, bias), *above = layers
    values = torch.baddbmm(bias, weight, inputs)
    for weight, bias in above:
        values = torch.baddbmm(bias, weight, values.relu())
    return values
