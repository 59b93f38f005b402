"""Bootstrap intervals over sessions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

SAMPLES = 4_000_000  # numbers in memory at once


@dataclass(frozen=True)
class Interval:
    """A statistic of sessions and its bootstrap interval, one entry a turn."""

    value: Float[np.ndarray, "*turn"]
    low: Float[np.ndarray, "*turn"]
    high: Float[np.ndarray, "*turn"]


def interval(
    per_session: Float[np.ndarray, "session *turn"],
    statistic: Callable[..., np.ndarray] = np.mean,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Bootstrap a statistic over sessions: whole sessions are drawn, so the turns of one stay together.

    Args:
        per_session: one value a session (and turn).
        statistic: takes an array and `axis`; the mean by default, np.median for a median rank.
        resamples: bootstrap samples.
        confidence: share of the resampled statistics between `low` and `high`.
    Source:
        The percentile bootstrap of scipy.stats.bootstrap, whose draws these are. Means come from one matrix product
        with how often each session was drawn, instead of a copy of the data for each sample.
    Example:
        >>> found = interval(np.array([0.0, 0.0, 1.0, 1.0]), resamples=200)
        >>> float(found.value), float(found.low), float(found.high)
        (0.5, 0.0, 1.0)
    """
    value = np.asarray(statistic(per_session, axis=0))
    if len(per_session) < 2 or np.ptp(per_session, axis=0).max() == 0:
        return Interval(value, value, value)
    flat = per_session.reshape(len(per_session), -1)
    rng = np.random.default_rng(seed)
    if statistic is np.mean:
        found = [counts @ flat / len(flat) for counts in _counts(rng, len(flat), resamples)]
    else:
        found = [
            np.stack([np.asarray(statistic(flat[row], axis=0)).reshape(-1) for row in rows])
            for rows in _draws(rng, len(flat), resamples)
        ]
    ends = np.quantile(np.concatenate(found), [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    low, high = ends.reshape(2, *value.shape)
    if value.shape == per_session.shape[1:]:  # rounding must not give constant data a width
        constant = np.ptp(per_session, axis=0) == 0
        low, high = np.where(constant, value, low), np.where(constant, value, high)
    return Interval(value, np.asarray(low), np.asarray(high))


def _draws(rng: np.random.Generator, sessions: int, resamples: int) -> Iterator[np.ndarray]:
    batch = max(1, SAMPLES // sessions)
    for begin in range(0, resamples, batch):
        yield rng.integers(0, sessions, (min(batch, resamples - begin), sessions))


def _counts(rng: np.random.Generator, sessions: int, resamples: int) -> Iterator[Float64[np.ndarray, "sample session"]]:
    """How often each session is drawn in each sample."""
    for drawn in _draws(rng, sessions, resamples):
        flat = (drawn + sessions * np.arange(len(drawn))[:, None]).ravel()
        yield np.bincount(flat, minlength=drawn.size).reshape(drawn.shape).astype(np.float64)
