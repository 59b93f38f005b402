"""Claims about searches whose screen gives up, because too much lies too close to call."""

import torch

from multiturn.close_calls import Limits
from multiturn.scoring import DenseScores, ScreenedScores
from multiturn.search import search
from tests.multiturn.test_search import same


class Undecided(DenseScores):
    """Scores whose screen finds too many close calls everywhere, and which note the blocks that are written down."""

    screened, needs_floor = True, False

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__(table)
        self.asked: list[tuple[int, int]] = []
        self.written: list[tuple[int, int]] = []

    @property
    def screen_slack(self) -> torch.Tensor:
        """Nothing beside the errors of single scores."""
        return self.slack

    def close(self, first: int, last: int, limits: Limits) -> None:
        """None: blocks are faster."""
        self.asked.append((first, last))

    def block(self, first: int, last: int) -> torch.Tensor:
        """See `DenseScores.block`."""
        self.written.append((first, last))
        return super().block(first, last)


def test_where_a_screen_gives_up_no_more_is_written_down_at_once_than_without_one():
    scores = Undecided(torch.rand(3, 3000, generator=torch.Generator().manual_seed(0)))
    watched = torch.tensor([0, 1500, 2999])
    found = search(scores, 20, watched, block=64)
    assert isinstance(scores, ScreenedScores)
    assert scores.asked == [(0, 1024), (1024, 2048), (2048, 3000)]
    assert scores.written == [(first, min(first + 64, 3000)) for first in range(0, 3000, 64)]
    assert same(found, search(DenseScores(scores.table), 20, watched))
