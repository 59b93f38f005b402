"""Checkers for whoever writes an encoder, a retriever or a user; the protocols say what each must do.

Each raises AssertionError with a sentence that says what is wrong and what to do. They look at behaviour, not
at quality, and need no more than a dozen items, a few sessions and some hundred candidates.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from datasets import Dataset
from jaxtyping import Float, Float64, Int
from torch import Tensor

from multiturn.draws import uniform
from multiturn.gallery import Gallery
from multiturn.regions import Regions
from multiturn.replies import Reply, reply_from_rows
from multiturn.search import search
from multiturn.session import Retriever, Session, State, Turn, User, play

TOLERANCE = 1e-3  # of the largest value: float32 rounds differently in batches of different sizes


def check_encoder(encoder: Any, items: Any) -> None:
    """Check that an encoder keeps the promises of `multiturn.encoders.Encoder`.

    Args:
        encoder: to be checked, in evaluation mode.
        items: a list or a data set of at least two items, not all alike.
    Raises:
        AssertionError: a promise is broken: finite vectors of width `dim`, one an item and in their order;
            the same answer in any batch and on every call; a fingerprint that is not empty and does not
            change.
    Example:
        >>> class Lengths:
        ...     dim, fingerprint = 1, "length of a word"
        ...     def encode(self, items, batch_size=64, show_progress=False):
        ...         return torch.tensor([[float(len(item))] for item in items])
        >>> check_encoder(Lengths(), ["a", "word"])
    """
    name = encoder.fingerprint
    _claim(
        isinstance(name, str) and bool(name.strip()),
        f"the fingerprint is {name!r}; name the encoder, its weights and its preprocessing in one string",
    )
    together = encoder.encode(items, batch_size=len(items))
    _claim(
        isinstance(together, Tensor),
        f"encode returned {type(together).__module__}.{type(together).__name__}; return a torch.Tensor of float32, "
        "as torch.from_numpy makes it",
    )
    last_first = items.select(range(len(items))[::-1]) if isinstance(items, Dataset) else items[::-1]
    _claim(
        tuple(together.shape) == (len(items), encoder.dim),
        f"{len(items)} items became vectors of shape {tuple(together.shape)}; encode returns (item, dim) "
        f"and dim is said to be {encoder.dim}",
    )
    _claim(bool(torch.isfinite(together).all()), "a vector holds NaN or infinity; look at the weights")
    _claim(
        _close(encoder.encode(items, batch_size=len(items)), together),
        "the same items got other vectors the second time; put the network in evaluation mode (`.eval()`)",
    )
    _claim(
        _close(encoder.encode(items, batch_size=1), together),
        "the vectors depend on the batch size; mask the padding, and put the network in evaluation mode",
    )
    _claim(
        _close(encoder.encode(last_first, batch_size=2).flip(0), together),
        "the vectors do not follow the order of the items, or depend on their neighbours in a batch; return "
        "them in the order in which the items came",
    )
    _claim(encoder.fingerprint == name, f"the fingerprint changed from {name!r} to {encoder.fingerprint!r}")


@torch.no_grad()
def check_retriever(
    retriever: Retriever, gallery: Gallery, user: User, targets: Int[Tensor, " session"], turns: int = 3
) -> None:
    """Check that a retriever keeps the promises of `multiturn.session.Retriever`.

    Args:
        retriever: to be checked; a network in evaluation mode.
        gallery: some hundred candidates that it can search.
        user: gives replies that it understands.
        targets: positions in the gallery of what the users look for, one a session; at least two.
        turns: replies a session.
    Raises:
        AssertionError: a promise is broken: finite scores, one a session and candidate, and blocks within
            `slack` of them; no state written in place, so that undo works; the same scores in a batch and
            alone; scores that follow the candidates when these change places.
        ValueError: a block is not finite, or the gallery is not the retriever's.
    """
    targets = targets.to(gallery.vectors.device)
    _check_scores(retriever, retriever.start(len(targets), gallery), gallery, 0)
    session = Session(retriever, gallery, targets, min(3, len(gallery)), watched=targets)
    tables: list[Tensor] = []
    past: list[Turn] = []
    for turn in play(session, user, targets, turns):
        tables.append(_check_scores(retriever, turn.state, gallery, turn.number))
        past.append(turn)
        for earlier, table in zip(past, tables, strict=True):
            _claim(
                torch.equal(_table(retriever, earlier.state, gallery), table),
                f"the state of turn {earlier.number} scores differently after turn {turn.number}; `update` "
                "returns a new state and never writes to the old one, and `score` never writes to any",
            )
    replies = [turn.reply for turn in past if turn.reply is not None]
    _check_undo(session, past[-1])
    rows = [reply.rows(gallery.ids) for reply in replies]
    places = {name: place for place, name in enumerate(gallery.ids)}
    for number in range(len(targets)):
        alone = [reply_from_rows([said[number]], places) for said in rows]
        for turn, scores in enumerate(_replay(retriever, gallery, alone, 1)):
            _claim(
                _close(scores[0], tables[turn][number]),
                f"session {number} has other scores alone than in a batch, at turn {turn}; work on each row by itself",
            )
    moved, order = _permuted(gallery)
    new_places = {name: int(order[place]) for name, place in places.items()}
    changed = [reply_from_rows(said, new_places) for said in rows]
    for turn, scores in enumerate(_replay(retriever, moved, changed, len(targets))):
        _claim(
            _close(scores[:, order], tables[turn]),
            f"the scores of turn {turn} do not follow the candidates when these change places in the "
            "gallery; look up what belongs to a candidate in the gallery given, and compute nothing from "
            "positions",
        )


@torch.no_grad()
def check_user(user: User, gallery: Gallery, targets: Int[Tensor, " session"], turns: int = 3) -> None:
    """Check that a user keeps the promises of `multiturn.session.User`.

    Args:
        user: to be checked.
        gallery: what is shown comes from it, three candidates a turn, by chance.
        targets: positions in the gallery of what the users look for, one a session; at least two.
        turns: replies a session.
    Raises:
        AssertionError: a promise is broken: one reply a session; the same reply whenever and in whatever
            batch it is asked for; a JSON form that is read back alike; not a word about candidates that were
            not shown.
        ValueError: the JSON form cannot be read at all.
    """
    targets = targets.to(gallery.vectors.device)
    numbers = torch.arange(len(targets), device=targets.device) + 1000
    for turn in range(turns):
        draws = uniform(20, numbers, turn, len(gallery))
        shown = draws.argsort(dim=1)[:, : min(3, len(gallery))]
        before = shown.clone()
        rows = _ask(user, turn, numbers, shown, targets, gallery)
        _claim(torch.equal(shown, before), f"the user wrote to what turn {turn} shows; make a copy")
        _claim(len(rows) == len(targets), f"{len(rows)} replies for {len(targets)} sessions; give one a session")
        read = reply_from_rows(json.loads(json.dumps(rows)), {name: i for i, name in enumerate(gallery.ids)})
        _claim(read.rows(gallery.ids) == rows, "the reply changes on its way through JSON; mend its `rows`")
        remedy = "draw with `multiturn.draws.uniform` from the seed, the session's number and the turn"
        again = _ask(user, turn, numbers, shown, targets, gallery)
        _claim(again == rows, f"the user says something else when asked again at turn {turn}; {remedy}")
        back = _ask(user, turn, numbers.flip(0), shown.flip(0), targets.flip(0), gallery)[::-1]
        for number, row in enumerate(rows):
            one = slice(number, number + 1)
            alone = _ask(user, turn, numbers[one], shown[one], targets[one], gallery)
            _claim(
                alone == [row] and back[number] == row,
                f"session {number} hears something else in another batch, at turn {turn}; {remedy}",
            )
            unseen = set(_spoken_of(row)) - {gallery.ids[place] for place in shown[number].tolist()}
            _claim(
                not unseen,
                f"the user speaks of {sorted(unseen)}, which turn {turn} does not show; speak of `turn.shown`",
            )


def _ask(
    user: User,
    turn: int,
    numbers: Int[Tensor, " session"],
    shown: Int[Tensor, "session page"],
    targets: Int[Tensor, " session"],
    gallery: Gallery,
) -> list[dict[str, Any]]:
    unscored = torch.full(shown.shape, torch.nan, dtype=torch.float64, device=shown.device)
    return user.reply(Turn(turn, numbers, shown, unscored, None, None, None), targets).rows(gallery.ids)


def _spoken_of(row: dict[str, Any]) -> Iterable[str]:
    return row.get("judged", [row["about"]] if "about" in row else [])


def _check_scores(
    retriever: Retriever, state: State, gallery: Gallery, turn: int
) -> Float64[Tensor, "session candidate"]:
    """The exact scores of a state, which two calls agree on and blocks come close to."""
    exact, candidates = _table(retriever, state, gallery), len(gallery)
    _claim(
        torch.equal(_table(retriever, state, gallery), exact),
        f"one state scores differently when asked again at turn {turn}; put the network in evaluation mode "
        "(`.eval()`), and never write to the state in `score`",
    )
    scores = retriever.score(state, gallery)
    for first, last in ((0, candidates), (candidates // 3, candidates // 3 + 1)):
        block = scores.block(first, last).double() + scores.offset[:, None]
        over = (block - exact[:, first:last]).abs() > scores.slack[:, None]
        _claim(
            not bool(over.any()),
            f"{int(over.sum())} scores of a block differ from the exact ones by more than `slack` at turn "
            f"{turn}; use VectorScores or DenseScores, or widen the bound",
        )
    return exact


def _check_undo(session: Session, last: Turn) -> None:
    reply = last.reply
    assert reply is not None
    for _ in range(2):
        session.undo()
        again = session.tell(reply)
        _claim(
            torch.equal(again.shown, last.shown) and torch.equal(again.scores, last.scores),
            f"taking back the reply of turn {last.number} and saying it again leads elsewhere; `update` "
            "returns a new state and never writes to the old one or to the retriever",
        )


def _replay(
    retriever: Retriever, gallery: Gallery, replies: Sequence[Reply], sessions: int
) -> Iterable[Float64[Tensor, "session candidate"]]:
    state = retriever.start(sessions, gallery)
    yield _table(retriever, state, gallery)
    for reply in replies:
        state = retriever.update(state, reply.to(gallery.vectors.device), gallery)
        yield _table(retriever, state, gallery)


def _table(retriever: Retriever, state: State, gallery: Gallery) -> Float64[Tensor, "session candidate"]:
    """Exact scores of all candidates."""
    scores = retriever.score(state, gallery)
    sessions, candidates = scores.shape
    _claim(
        candidates == len(gallery),
        f"{candidates} candidates were scored in a gallery of {len(gallery)}; `score` covers all of them",
    )
    search(scores, 1)  # raises ValueError where a block is not finite
    pairs = torch.cartesian_prod(torch.arange(sessions), torch.arange(candidates)).to(scores.device)
    exact = scores.exact(pairs[:, 0], pairs[:, 1]).view(sessions, candidates)
    _claim(bool(torch.isfinite(exact).all()), "a score is NaN or infinite; lower the learning rate or mask it")
    return exact


def _permuted(gallery: Gallery) -> tuple[Gallery, Int[Tensor, " candidate"]]:
    """The gallery under new names, which sort differently; and the new place of each old one."""
    order = uniform(21, torch.zeros(1, dtype=torch.long), 0, len(gallery))[0].argsort()
    names = [f"{place:09d}" for place in order.tolist()]
    vectors = gallery.vectors if gallery.mask is None else Regions(gallery.vectors, gallery.boxes, gallery.mask)
    return Gallery.of(names, vectors, gallery.fingerprint, gallery.source), order.to(gallery.vectors.device)


def _close(found: Float[Tensor, "*shape"], expected: Float[Tensor, "*shape"]) -> bool:
    if found.shape != expected.shape:
        return False
    scale = float(expected.double().abs().max())
    return bool(((found.double() - expected.double()).abs() <= TOLERANCE * scale).all())


def _claim(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
