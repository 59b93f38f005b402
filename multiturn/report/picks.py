"""Which sessions are worth looking at: of one evaluation, and of two that are compared; nothing is drawn here."""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from multiturn.results import Results, aligned
from multiturn.trial import Outcome


def pick_sessions(
    played: Outcome | Results, count: int, seed: int, unheard: Float64[Tensor, " session"] | None = None
) -> dict[str, int]:
    """Choose sessions worth looking at, none twice.

    The best, the median and the worst final rank, the most improved and the most harmed come first, then sessions at
    random: only those are typical. A session that would come twice leaves its second place to the next one. No session
    is called improved that was not, or harmed that was not.

    Args:
        count: how many; at most as many as there are.
        seed: settles equal ranks, and draws the random ones.
        unheard: where each target ends if nothing is said. Harm is measured from there; without it, like improvement,
            from the first turn.
    Returns:
        number of the row under the reason it was picked for.
    Raises:
        ValueError: count < 1.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count}")
    ranks = played.ranks.under("expected").cpu()
    shuffled = torch.randperm(len(ranks), generator=torch.Generator().manual_seed(seed))
    first, final = ranks[shuffled, 0], ranks[shuffled, -1]
    middle = final.sort().values[len(final) // 2]
    gain, harm = (first / final).log(), (final / (first if unheard is None else unheard[shuffled])).log()

    def by(values: Tensor, among: Tensor | None = None) -> list[int]:
        order = values.argsort(stable=True)
        return shuffled[order if among is None else order[among[order]]].tolist()

    orders = {
        "best final rank": by(final),
        "median final rank": by((final - middle).abs()),
        "worst final rank": by(-final),
        "most improved": by(-gain, gain > 0),
    }
    if bool((harm > 0).any()):
        orders["most harmed"] = by(-harm, harm > 0)
    else:
        orders["least improved"] = by(gain, gain > 0)
    picked: dict[str, int] = {}
    for reason, order in orders.items():
        _pick(picked, reason, order, count)
    for number in range(1, len(ranks)):
        _pick(picked, f"at random ({number})", shuffled.tolist(), count)
    return picked


def _pick(picked: dict[str, int], reason: str, order: Iterable[int], count: int) -> None:
    free = next((session for session in order if session not in picked.values()), None)
    if len(picked) < count and free is not None:
        picked[reason] = free


def sessions_apart(of: Results, over: Results, turn: int, count: int = 5) -> dict[str, Any]:
    """Sessions in which two results differ most at a turn: those that each of them wins by the largest factor of ranks.

    Args:
        of: is compared with `over`, on the same targets.
        turn: that both have.
        count: at most so many for each of the two.
    Returns:
        JSON-ready: `of` and `over`, their names; `turn`; `first`, the first turn that both have; `sessions`, those that
        `of` wins before those that `over` wins, the clearest first: `target`, and `of` and `over`, the target's ranks
        from `first` to the last turn that both have.
    Raises:
        ValueError: other targets or candidates.
    """
    rows = aligned(of, over)
    first, last = max(of.start, over.start), min(of.last, over.last)
    ours = of.ranks.under("expected")[:, first - of.start : last - of.start + 1]
    theirs = over.ranks.under("expected")[rows, first - over.start : last - over.start + 1]
    gain = (theirs[:, turn - first] / ours[:, turn - first]).log()
    order = gain.argsort(descending=True, stable=True).tolist()
    won = [row for row in order if gain[row] > 0][:count]
    lost = [row for row in reversed(order) if gain[row] < 0][:count]
    sessions = [
        {"target": of.targets[row], "of": ours[row].tolist(), "over": theirs[row].tolist()} for row in (*won, *lost)
    ]
    return {"of": of.name, "over": over.name, "turn": turn, "first": first, "sessions": sessions}
