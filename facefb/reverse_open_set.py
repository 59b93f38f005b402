"""Searches for people who may not be there: who is enrolled, thresholds from other people, misses and false alarms.

FPIR is the share of searches for strangers that find somebody above the threshold, FNIR that of searches for enrolled
people whose first hit is wrong or not above it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from facefb.reverse_users import Album
from multiturn.draws import uniform
from multiturn.gallery import Gallery
from multiturn.index import ExactIndex

FEWEST = 8  # people with two or more photos: two enrolled and two strangers in either half


@dataclass(frozen=True)
class Half:
    """Searches in a gallery of half of the people of one half of the data, who are enrolled with one photo each.

    Attributes:
        enrolled: number of people in the gallery.
        mated: score of the first hit of each search for an enrolled person, -inf where that is somebody else.
        mated_person: who is looked for.
        strangers: score of the first hit of each search for somebody who is not enrolled.
        strangers_person: who is looked for.
    """

    enrolled: int
    mated: Float64[np.ndarray, " mated"]
    mated_person: Int[np.ndarray, " mated"]
    strangers: Float64[np.ndarray, " stranger"]
    strangers_person: Int[np.ndarray, " stranger"]


@dataclass(frozen=True)
class Counts:
    """How often each search of a half counts in each sample of people."""

    mated: Float64[np.ndarray, "sample mated"]
    strangers: Float64[np.ndarray, "sample stranger"]


@dataclass(frozen=True)
class Level:
    """Misses at a threshold that was to let a share of the strangers through.

    Attributes:
        wanted: that share.
        fpir: what it came to on the people tested.
        fpir_interval: low and high end.
        fnir: share of searches for enrolled people that miss.
        fnir_interval: likewise.
        thresholds: of -d^2, for either half, from the other half's strangers.
    """

    wanted: float
    fpir: float
    fpir_interval: tuple[float, float]
    fnir: float
    fnir_interval: tuple[float, float]
    thresholds: tuple[float, float]


def halves(gallery: Gallery, album: Album, seed: int = 0) -> tuple[Half, Half] | None:
    """Deal the people into two halves, enrol half of those with two or more photos in each, and search for all.

    The first photo of an enrolled person is in the gallery, the others are searches for them; all photos of the others,
    and of people with one photo, are searches for strangers.

    Args:
        seed: of the dealing.
    Returns:
        None where fewer than 8 people have two photos.
    """
    photos = torch.zeros(len(album.names), dtype=torch.long)
    photos[album.person.cpu()] = album.photos.cpu()
    order = uniform(seed, torch.arange(len(photos)), 0, 1)[:, 0].argsort(stable=True)
    several, single = order[photos[order] > 1], order[photos[order] == 1]
    if len(several) < FEWEST:
        return None
    made = []
    for half in (0, 1):
        mine = several[half::2]
        made.append(_searched(gallery, album, mine[::2], torch.cat([mine[1::2], single[half::2]])))
    return made[0], made[1]


def _searched(
    gallery: Gallery, album: Album, enrolled: Int[Tensor, " enrolled"], strangers: Int[Tensor, " stranger"]
) -> Half:
    person = album.person.cpu()
    of_enrolled = torch.isin(person, enrolled).nonzero()[:, 0]
    _, first = np.unique(person[of_enrolled].numpy(), return_index=True)
    known = of_enrolled[torch.from_numpy(first)].sort().values  # as a gallery orders them
    searches = of_enrolled[~torch.isin(of_enrolled, known)]
    foreign = torch.isin(person, strangers).nonzero()[:, 0]
    device = gallery.vectors.device
    small = Gallery.of(
        [gallery.ids[place] for place in known.tolist()],
        gallery.vectors[known.to(device)],
        gallery.fingerprint,
        gallery.source,
    )
    index = ExactIndex(small)

    def first_hits(places: Int[Tensor, " search"]) -> tuple[Float64[np.ndarray, " search"], Int[Tensor, " search"]]:
        scores, found = index.search(gallery.vectors[places.to(device)].float(), 1)
        return scores[:, 0].cpu().numpy(), person[known[found[:, 0].cpu()]]

    mated, hit = first_hits(searches)
    mated = np.where((hit == person[searches]).numpy(), mated, -np.inf)
    alarms, _ = first_hits(foreign)
    return Half(len(known), mated, person[searches].numpy(), alarms, person[foreign].numpy())


def threshold(
    strangers: Float64[np.ndarray, " stranger"], weights: Float64[np.ndarray, "sample stranger"], share: float
) -> Float64[np.ndarray, " sample"]:
    """The lowest score above which at most a share of the strangers' first hits lies, for each sample of weights.

    Args:
        weights: how often each search counts.
        share: wanted FPIR. Below one over the number of searches, no stranger at all may pass.
    Example:
        >>> threshold(np.array([-4.0, -1.0, -3.0, -2.0]), np.ones((1, 4)), 0.25).tolist()
        [-2.0]
    """
    order = np.argsort(-strangers, kind="stable")
    above = np.cumsum(weights[:, order], axis=1) / weights.sum(1, keepdims=True)
    # A sum of ones may end a little beside the share that it is.
    return strangers[order][np.argmax(above > share + 1e-9, axis=1)]


def error_rates(
    both: tuple[Half, Half], share: float, counts: tuple[Counts, Counts]
) -> tuple[Float64[np.ndarray, " sample"], Float64[np.ndarray, " sample"], list[Float64[np.ndarray, " sample"]]]:
    """FPIR, FNIR and both thresholds, each half tested at the threshold of the other half's strangers.

    Args:
        counts: of the searches of either half.
    """
    levels = [threshold(both[1 - half].strangers, counts[1 - half].strangers, share) for half in (0, 1)]
    missed = [both[half].mated[None] <= levels[half][:, None] for half in (0, 1)]
    passed = [both[half].strangers[None] > levels[half][:, None] for half in (0, 1)]
    fnir = _share(missed, [one.mated for one in counts])
    fpir = _share(passed, [one.strangers for one in counts])
    return fpir, fnir, levels


def rates(
    both: tuple[Half, Half], shares: Sequence[float], resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> list[Level]:
    """Error rates at each wanted FPIR, with bootstrap intervals over people.

    People are drawn, with all their searches, in both halves: the intervals know that thresholds are estimates too.
    """
    once = [Counts(np.ones((1, len(half.mated))), np.ones((1, len(half.strangers)))) for half in both]
    rng = np.random.default_rng(seed)
    drawn = [
        Counts(_draw(half.mated_person, resamples, rng), _draw(half.strangers_person, resamples, rng)) for half in both
    ]
    found = []
    for share in shares:
        fpir, fnir, levels = error_rates(both, share, (once[0], once[1]))
        fpirs, fnirs, _ = error_rates(both, share, (drawn[0], drawn[1]))
        ends = [(1 - confidence) / 2, (1 + confidence) / 2]
        low, high = np.quantile(fpirs, ends).tolist()
        least, most = np.quantile(fnirs, ends).tolist()
        thresholds = (float(levels[0][0]), float(levels[1][0]))
        found.append(Level(share, float(fpir[0]), (low, high), float(fnir[0]), (least, most), thresholds))
    return found


def curve(both: tuple[Half, Half]) -> tuple[Float64[np.ndarray, " point"], Float64[np.ndarray, " point"]]:
    """FPIR and FNIR of both halves together at every threshold that tells strangers apart, FPIR rising."""
    strangers = np.concatenate([half.strangers for half in both])
    mated = np.sort(np.concatenate([half.mated for half in both]))
    steps = np.unique(strangers)[::-1]
    fpir = (len(strangers) - np.searchsorted(np.sort(strangers), steps, side="right")) / len(strangers)
    fnir = np.searchsorted(mated, steps, side="right") / len(mated)
    return fpir, fnir


def summary(both: tuple[Half, Half], levels: Sequence[Level]) -> dict[str, Any]:
    """Counts and rates, JSON-ready; thresholds as 1 / (1 + d^2)."""
    return {
        "enrolled people": sum(half.enrolled for half in both),
        "searches for them": sum(len(half.mated) for half in both),
        "strangers": sum(len(np.unique(half.strangers_person)) for half in both),
        "searches for strangers": sum(len(half.strangers) for half in both),
        "levels": [
            {
                "wanted FPIR": level.wanted,
                "FPIR": level.fpir,
                "FPIR interval": list(level.fpir_interval),
                "FNIR": level.fnir,
                "FNIR interval": list(level.fnir_interval),
                "thresholds": [1 / (1 - one) for one in level.thresholds],
            }
            for level in levels
        ],
    }


def _share(
    happened: Sequence[Bool[np.ndarray, "sample _"]], weights: Sequence[Float64[np.ndarray, "sample _"]]
) -> Float64[np.ndarray, " sample"]:
    """Share of the searches in which something happened, of several halves together."""
    times = [(one * weight).sum(1) for one, weight in zip(happened, weights, strict=True)]
    return np.sum(times, axis=0) / np.sum([weight.sum(1) for weight in weights], axis=0)


def _draw(
    person: Int[np.ndarray, " search"], resamples: int, rng: np.random.Generator
) -> Float64[np.ndarray, "sample search"]:
    """How often each search counts in each sample of people, drawn with replacement."""
    _, number = np.unique(person, return_inverse=True)
    people = int(number.max()) + 1
    drawn = rng.multinomial(people, np.full(people, 1 / people), size=resamples)
    return drawn[:, number].astype(np.float64)
