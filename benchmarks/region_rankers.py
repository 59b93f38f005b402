"""Ranks of targets in sessions of several state vectors: the classic ranker, ours, and both checked in float64."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm.auto import tqdm

from multiturn.ranks import Ranks, join
from multiturn.region_scoring import RegionFormula, RegionVectors, StateScores
from multiturn.search import search

SHARPNESS = 9.0  # of the released code of Drill-down
_IMAGES_AT_ONCE = 1000  # its rank_batch_size
_ROUNDING = 1e-11  # exact scores are multiples of 2^-36, and sums in float64 differ by less


@dataclass(frozen=True)
class Played:
    """Sessions that were played: one new state vector a turn, and where it went.

    Attributes:
        images: regions of length 1, all of them real.
        vectors: of length 1.
        targets: image that each session looks for.
        slots: of a session.
        chosen: the slot that each vector goes to; None where turn t (from 0) writes slot t mod M.
    """

    images: Float[Tensor, "image region dim"]
    vectors: Float[Tensor, "turn session dim"]
    targets: Int[Tensor, " session"]
    slots: int
    chosen: Int[Tensor, "turn session"] | None = None

    def written(self, turn: int) -> Int[Tensor, " session"]:
        """The slots that a turn's vectors go to."""
        return torch.full_like(self.targets, turn % self.slots) if self.chosen is None else self.chosen[turn]

    def states(self, session: int) -> Float[Tensor, "turn slot dim"]:
        """The states after each turn; zero while empty."""
        turns = len(self.vectors)
        states = torch.zeros(turns, self.slots, self.vectors.shape[2])
        for turn in range(turns):
            states[turn:, int(self.written(turn)[session])] = self.vectors[turn, session]
        return states


def random_sessions(
    images: int, regions: int, dim: int, sessions: int, turns: int, slots: int, seed: int, share: float = 0.0
) -> Played:
    """Random regions and state vectors of length 1.

    Args:
        images: in the gallery.
        regions: of an image.
        dim: of a vector.
        sessions: each looks for a random image.
        turns: of a session.
        slots: state vectors of a session.
        seed: of all draws.
        share: how much of a random region of the target is mixed into a state vector, in [0, 1).
    """
    generator = torch.Generator().manual_seed(seed)
    normalise = torch.nn.functional.normalize
    gallery = normalise(torch.randn(images, regions, dim, generator=generator), dim=-1)
    targets = torch.randint(images, (sessions,), generator=generator)
    vectors = normalise(torch.randn(turns, sessions, dim, generator=generator), dim=-1)
    seen = gallery[targets, torch.randint(regions, (turns, sessions), generator=generator)]
    return Played(gallery, normalise((1 - share) * vectors + share * seen, dim=-1), targets, slots)


def by_classic_ranker(played: Played, session: int) -> Int[Tensor, " turn"]:
    """Ranks of one session's target after each turn, as older code computes them.

    Source:
        Drill-down's released ranker at commit ad0ef77: for each query, images a thousand at a time, the states of all
        turns are copied for each image and multiplied with all its regions, weighted by their softmax and summed;
        then a mean over the filled states, and for each turn an argsort of all images and the place of the target.
    """
    states = played.states(session)
    turns, slots, dim = states.shape
    filled = (states != 0).any(2).float()
    scores = []
    for images in played.images.split(_IMAGES_AT_ONCE):
        copies = states.view(1, -1, dim).expand(len(images), -1, -1).contiguous()
        similarities = torch.bmm(copies, images.transpose(1, 2)) * torch.ones(images.shape[:2]).unsqueeze(1)
        logits = SHARPNESS * similarities.clamp(min=-1e10)
        weights = torch.softmax(logits - logits.max(dim=-1, keepdim=True)[0], dim=-1)
        attended = (similarities * weights).sum(-1).view(-1, turns, slots)
        scores.append((attended * filled).sum(-1) / filled.sum(-1))
    table = torch.cat(scores)
    places = []
    for turn in range(turns):
        order = torch.argsort(table[:, turn], descending=True)
        places.append((order == played.targets[session]).nonzero()[0, 0] + 1)
    return torch.stack(places)


def by_state_scores(played: Played, regions: RegionVectors, page: int, batch_size: int) -> Ranks:
    """Ours: only the new vector is scored, in blocks, and what lies too close to call is computed again."""
    parts = []
    for first in range(0, len(played.targets), batch_size):
        some = slice(first, first + batch_size)
        targets = played.targets[some].to(regions.vectors.device)
        scores = StateScores.start(len(targets), played.slots, regions, RegionFormula(SHARPNESS))
        of_turns = []
        for turn, vectors in enumerate(played.vectors[:, some]):
            scores = scores.after(played.written(turn)[some].to(targets.device), vectors)
            found = search(scores, page, targets)
            assert found.ranks is not None
            of_turns.append(Ranks(found.ranks.best[:, None], found.ranks.worst[:, None], found.ranks.candidates))
        parts.append(join(of_turns, 1))
    return join(parts, 0)


@contextmanager
def without_kernel(regions: RegionVectors) -> Iterator[None]:
    """Score by PyTorch alone."""
    own, regions.kernel = regions.kernel, None
    try:
        yield
    finally:
        regions.kernel = own


def rank_brackets(played: Played, session: int) -> tuple[Int[Tensor, " turn"], Int[Tensor, " turn"]]:
    """Lowest and highest rank after each turn by float64, if scores equal within rounding may be ties."""
    states = played.states(session)
    filled = (states != 0).any(2).sum(1)
    wide = states.double()
    parts = []
    for images in played.images.split(250):
        regions = images.double()
        cosines = torch.einsum("tmd,ird->timr", wide, regions) / regions.norm(dim=-1)[:, None]
        cosines /= wide.norm(dim=-1).clamp(min=1e-300)[:, None, :, None]
        weights = torch.softmax(SHARPNESS * cosines, -1)
        parts.append((weights * cosines).sum(-1).sum(-1) / filled[:, None])
    scores = torch.cat(parts, 1)
    own = scores[:, played.targets[session]][:, None]
    return 1 + (scores > own + _ROUNDING).sum(1), (scores >= own - _ROUNDING).sum(1)


def agreement(played: Played, ranks: Mapping[str, Ranks], sessions: int) -> dict[str, Any]:
    """How many ranks of the first sessions hold in float64, for each way."""
    right = dict.fromkeys(ranks, 0)
    for session in tqdm(range(sessions), desc="checking in float64", leave=False):
        low, high = rank_brackets(played, session)
        for name, own in ranks.items():
            if session < len(own.best):
                fine = (own.best[session].cpu() >= low) & (own.worst[session].cpu() <= high)
                right[name] += int(fine.sum())
    turns = len(played.vectors)
    return {name: {"right": n, "of": turns * min(sessions, len(ranks[name].best))} for name, n in right.items()}


def peaks(rows: int = 4096, dim: int = 256, columns: int = 1152, rounds: int = 7) -> dict[str, float]:
    """Measured GFLOP/s of matrix products of PyTorch, the best of some shapes, in float32 and bfloat16."""
    best = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        for inner in (dim, 2048):
            one, two = torch.randn(rows, inner).to(dtype), torch.randn(columns, inner).to(dtype)
            for _ in range(rounds):
                begun = time.perf_counter()
                torch.mm(one, two.T)
                rate = 2e-9 * rows * inner * columns / (time.perf_counter() - begun)
                best[name] = max(best.get(name, 0.0), rate)
    return best
