"""Sessions of likes and dislikes: all played at once, against a plain loop that refits one session at a time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.program import save, start
from multiturn.settings import at_least

if TYPE_CHECKING:
    from relevance.users import RelevanceUser

EXAMPLES = """examples:
  python -m benchmarks.relevance
  python -m benchmarks.relevance --sessions 40 --loop_sessions 4 --iterations 3 --images 400 --output runs/bench
"""
LOOPS = {
    "rocchio": "scikit-learn's cosine_similarity",
    "pichunter": "NumPy",
    "svm": "scikit-learn's SVC",
    "mlp": "scikit-learn's MLPClassifier",
    "triplet": "a torch network",
    "kept-triplet": "a torch network",
}


def relevance(
    sessions: int = 1000,
    iterations: int = 15,
    page: int = 8,
    images: int = 5924,
    classes: int = 100,
    dim: int = 512,
    loop_sessions: int = 20,
    seed: int = 0,
    output: Path | None = None,
) -> dict[str, Any]:
    """Time whole sessions of each method: pages, judgements, fits and scores of all images.

    The images are random vectors around a centre a class, as many as CUB's test half; examples lie farther from it.
    The loop plays fewer sessions; the time of one is what is compared. 'found' is the share of a class that either
    way found: the loops are textbook forms, not ours number by number.

    Args:
        sessions: played at once.
        iterations: pages judged, the first of them the example's.
        page: images a page.
        images: in the gallery.
        classes: of the images.
        dim: of a vector.
        loop_sessions: played by the loop.
        seed: of all draws.
        output: folder for relevance.json; benchmarks/results if not given.
    """
    for name, value, least in (("sessions", sessions, 1), ("iterations", iterations, 1), ("loop", loop_sessions, 1)):
        at_least(name, value, least)
    if images <= iterations * page + 1:
        raise ValueError(f"{iterations} pages of {page} need more than {images} images; raise --images")
    user = birds(images, classes, dim, seed)
    methods = {}
    for method in LOOPS:
        ours, found = at_once(method, user, sessions, iterations, page, seed)
        loop, loop_found = one_by_one(method, user, loop_sessions, iterations, page, seed)
        methods[method] = {
            "seconds": ours,
            "found": found,
            "loop": LOOPS[method],
            "loop_seconds": loop * sessions / loop_sessions,
            "loop_found": loop_found,
            "times_faster": loop * sessions / loop_sessions / ours,
        }
        print(f"{method}: {ours:.1f} s, loop {methods[method]['loop_seconds']:.1f} s, found {found:.2f}", flush=True)
    settings = {
        "sessions": sessions,
        "iterations": iterations,
        "page": page,
        "images": images,
        "classes": classes,
        "dim": dim,
        "loop_sessions": loop_sessions,
        "seed": seed,
    }
    return save("relevance", settings, {"source": user.gallery.source, "methods": methods}, output)


def birds(images: int, classes: int, dim: int, seed: int) -> RelevanceUser:
    """A user who looks for classes of random vectors, with examples farther from their centres."""
    import torch

    from multiturn.gallery import Gallery
    from relevance.users import RelevanceUser

    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(images) % classes
    centres = torch.randn(classes, dim, generator=generator)
    clean, worse = (centres[labels] + spread * torch.randn(images, dim, generator=generator) for spread in (3.0, 5.0))
    ids = [f"{number:06d}" for number in range(images)]
    what = f"random vectors around {classes} centres, not images"
    gallery, examples = (Gallery.of(ids, vectors, "random", what) for vectors in (clean, worse))
    return RelevanceUser(labels, examples, gallery, seed=seed)


def at_once(
    method: str, user: RelevanceUser, sessions: int, iterations: int, page: int, seed: int
) -> tuple[float, float]:
    """Seconds of all sessions together, and the share of their classes that they found."""
    import torch

    from multiturn.session import Session, play
    from relevance.methods import METHODS

    targets = _targets(user, sessions, seed)
    begun = time.perf_counter()
    retriever = METHODS[method]()  # type: ignore[index]
    session = Session(retriever, user.gallery, targets, page, None, "drop_from_rank", targets[:, None])
    pages = [turn.shown for turn in play(session, user, targets, iterations)][1:]
    took = time.perf_counter() - begun
    same = user.labels[torch.cat(pages, 1)] == user.labels[targets][:, None]
    total = (user.labels[targets][:, None] == user.labels).sum(1) - 1
    return took, float((same.sum(1) / total).mean())


def one_by_one(
    method: str, user: RelevanceUser, sessions: int, iterations: int, page: int, seed: int
) -> tuple[float, float]:
    """The same of a plain loop, on the first of the sessions."""
    from benchmarks import refitting
    from relevance.triplet import KeptTriplet, Triplet

    fits = {
        "rocchio": refitting.rocchio,
        "pichunter": refitting.pichunter(page),
        "svm": refitting.svm,
        "mlp": refitting.sklearn_mlp(Triplet().training.steps),
        "triplet": refitting.triplet(Triplet().training.steps),
        "kept-triplet": refitting.triplet(KeptTriplet().training.steps),
    }
    targets = _targets(user, sessions, seed)
    begun = time.perf_counter()
    found = refitting.looped(
        fits[method],
        user.gallery.vectors.numpy(),
        user.labels.numpy(),
        user.examples.vectors[targets].numpy(),
        targets.numpy(),
        iterations,
        page,
    )
    return time.perf_counter() - begun, found


def _targets(user: RelevanceUser, sessions: int, seed: int) -> Any:
    """Images that are looked for, drawn by chance; the first ones are the same for any number."""
    import torch

    return torch.randint(len(user.gallery), (sessions,), generator=torch.Generator().manual_seed(seed))


if __name__ == "__main__":
    start(relevance, "relevance", EXAMPLES)
