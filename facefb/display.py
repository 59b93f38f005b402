"""Which face is shown: by chance among the nearest in training, the nearest in testing; where sessions open."""

from dataclasses import dataclass

from jaxtyping import Float, Float64, Int
from torch import Tensor

from multiturn.draws import uniform
from multiturn.settings import at_least


@dataclass(frozen=True)
class SampledNearest:
    """Shows one of the nearest faces, drawn with probability softmax(-distance).

    Attributes:
        nearest: how many faces are drawn from.
        seed: of the draws.
    Raises:
        ValueError: nearest < 1.
    Source:
        papers/facial-progressive-feedback.txt, eq. (1). The paper gives no K; 10 is ours.
    """

    nearest: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        at_least("nearest", self.nearest, 1)

    def width(self, page_size: int) -> int:
        """See `multiturn.session.Display.width`."""
        return max(self.nearest, page_size)

    def choose(
        self,
        turn: int,
        sessions: Int[Tensor, " session"],
        positions: Int[Tensor, "session wide"],
        scores: Float64[Tensor, "session wide"],
        page_size: int,
    ) -> Int[Tensor, "session page"]:
        """See `multiturn.session.Display.choose`; a page is drawn without replacement."""
        # The largest of log-probability plus Gumbel noise is a draw from the softmax. Scores are squared distances.
        noise = -(-uniform(self.seed, sessions, turn, positions.shape[1]).clamp(min=1e-300).log()).log()
        return ((-scores).clamp(min=0).sqrt().neg() + noise).topk(page_size, dim=1).indices


def random_faces(seed: int, sessions: Int[Tensor, " session"], turn: int, candidates: int) -> Int[Tensor, " session"]:
    """Draw one position of the gallery for each session: its opening face, or a random negative."""
    return (uniform(seed, sessions, turn, 1)[:, 0] * candidates).long()


def other_faces(
    seed: int, sessions: Int[Tensor, " session"], turn: int, target: Int[Tensor, " session"], candidates: int
) -> Int[Tensor, " session"]:
    """Draw one position for each session, any but the target's."""
    return (target + 1 + random_faces(seed, sessions, turn, candidates - 1)) % candidates


def distance(points: Float[Tensor, "row dim"], others: Float[Tensor, "row dim"]) -> Float[Tensor, " row"]:
    """L2 distance of rows, with a gradient of zero where two rows are equal."""
    return (points - others).square().sum(1).clamp(min=1e-12).sqrt()
