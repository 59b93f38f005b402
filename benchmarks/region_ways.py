"""Ways to rank sessions of several state vectors, each in a process of its own, in turn.

In one process, memory that one way has left would save another thousands of page faults a session, or not, as chance
has it: the C library maps memory for the classic ranker's copies anew for each session, unless as much lies about.
"""

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context

import torch
from tqdm.auto import tqdm

from benchmarks.region_rankers import Played, by_classic_ranker, by_state_scores, without_kernel
from multiturn.ranks import Ranks
from multiturn.region_scoring import RegionVectors
from multiturn.region_scoring.adaptive_bits import AdaptiveBits

WAYS = {
    "ours": "this toolkit: `search` over `StateScores`",
    "pytorch": "the same without the compiled kernel",
    "classic": "classic ranker: all states of all turns with all regions, argsort per turn",
}


@dataclass(frozen=True)
class Task:
    """What is ranked.

    Attributes:
        played: the sessions.
        classic_sessions: so many of them are ranked by the classic ranker.
        page: best images that ours finds beside the rank.
        batch_size: sessions at once in ours.
    """

    played: Played
    classic_sessions: int
    page: int
    batch_size: int


@dataclass(frozen=True)
class Repetition:
    """One way's ranks, what they took, and how many numbers of a vector were int16, int8 or left out."""

    ranks: Ranks
    seconds: float
    bits: dict[str, int]

    @property
    def seconds_a_rank(self) -> float:
        """Of all turns of all sessions that were ranked."""
        return self.seconds / self.ranks.best.numel()


class _Ranker:
    """A process's way, with its gallery laid out."""

    def __init__(self, way: str, task: Task) -> None:
        self._way, self._task = way, task
        images = task.played.images
        self._laid_out = RegionVectors(images, torch.ones(images.shape[:2], dtype=torch.bool))

    def __call__(self) -> Repetition:
        task, ways = self._task, {"ours": self._ours, "pytorch": self._pytorch, "classic": self._classic}
        begun = time.perf_counter()
        ranks = ways[self._way]()
        seconds, bits = time.perf_counter() - begun, {}
        if self._way == "ours" and isinstance(self._laid_out.screen, AdaptiveBits):
            axes, dim = self._laid_out.screen.numbers.axes, task.played.images.shape[2]
            bits = {"16": axes.int16, "8": axes.int8, "0": dim - axes.int16 - axes.int8}
        return Repetition(ranks, seconds, bits)

    def _ours(self) -> Ranks:
        return by_state_scores(self._task.played, self._laid_out, self._task.page, self._task.batch_size)

    def _pytorch(self) -> Ranks:
        with without_kernel(self._laid_out):
            return self._ours()

    def _classic(self) -> Ranks:
        sessions = range(self._task.classic_sessions)
        places = torch.stack([by_classic_ranker(self._task.played, session) for session in sessions])
        return Ranks(places, places, len(self._task.played.images))


_ranker: Callable[[], Repetition]


def _begin(way: str, task: Task) -> None:
    global _ranker
    _ranker = _Ranker(way, task)


def _repeat() -> Repetition:
    return _ranker()


def alternate(task: Task, rounds: int) -> dict[str, list[Repetition]]:
    """Run each way once a round, in turn; returns the repetitions of all rounds but the first."""
    found: dict[str, list[Repetition]] = {way: [] for way in WAYS}
    with ExitStack() as stack:
        processes = {
            way: stack.enter_context(ProcessPoolExecutor(1, get_context("spawn"), _begin, (way, task))) for way in WAYS
        }
        for number in tqdm(range(rounds + 1), desc="rounds", leave=False):
            for way, process in processes.items():
                repetition = process.submit(_repeat).result()
                if number > 0:
                    found[way].append(repetition)
    return found
