"""Queries of wanted attributes: drawn of a target, read from words, and judged by whom they fit."""

import difflib
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Int, Int8
from torch import Tensor

from multiturn.draws import uniform
from multiturn.gallery import Gallery
from multiturn.ranked_lists import average_precision, in_ranked_order, lift_at, precision_at, recall_of_relevant_at
from multiturn.replies import WantedReply
from multiturn.session import Retriever, Turn

CHANGES = ("also ", "forget ")  # begin the parts of a line that change the query before
K = 10  # of P@K and R@K; papers/face-attribute-retrieval.txt, "Quantitative results"


class AttributeQueries:
    """A user who tells some attributes of the target, more from turn to turn; does not look at what is shown.

    Args:
        attributes: of each candidate, -1 or +1.
        told: how many attributes are told by turn 1, 2, ...; the last holds for all later turns.
        seed: of their choice, which depends on a session's number alone; what was told once stays told.
    Raises:
        ValueError: fewer attributes told later than before, none at all, or more than there are.
    Source:
        papers/face-attribute-retrieval.txt, "Evaluation query": 3 of the 40 attributes of a random test image.
        Later turns are ours.
    """

    def __init__(self, attributes: Int8[Tensor, "candidate attribute"], told: Sequence[int], seed: int = 0) -> None:
        check_told(told, attributes.shape[1])
        self.attributes, self.told, self._seed = attributes, tuple(told), seed

    def reply(self, turn: Turn, target: Int[Tensor, " session"]) -> WantedReply:
        """See `multiturn.session.User.reply`."""
        return WantedReply(self.wanted(turn.sessions, target, turn.number + 1))

    def wanted(
        self, sessions: Int[Tensor, " session"], target: Int[Tensor, " session"], turn: int
    ) -> Int8[Tensor, "session attribute"]:
        """What has been told by a turn, counted from 1."""
        count = self.told[min(turn, len(self.told)) - 1]
        order = uniform(self._seed, sessions, 0, self.attributes.shape[1]).argsort(dim=1)[:, :count]
        unsaid = torch.zeros_like(self.attributes[target])
        return unsaid.scatter(1, order, self.attributes[target].gather(1, order))


class SilentQueries:
    """A user who wants nothing in particular."""

    def __init__(self, attributes: int) -> None:
        self._attributes = attributes

    def reply(self, turn: Turn, target: Int[Tensor, " session"]) -> WantedReply:
        """See `multiturn.session.User.reply`."""
        shape = (len(turn.sessions), self._attributes)
        return WantedReply(torch.zeros(shape, dtype=torch.int8, device=turn.sessions.device))


def check_told(told: Sequence[int], attributes: int) -> None:
    """Raise ValueError unless `told` grows from at least 1 to at most `attributes`."""
    if not told or list(told) != sorted(told) or not 1 <= told[0] <= told[-1] <= attributes:
        raise ValueError(
            f"told says how many of the {attributes} attributes are known by each turn, at least 1 and never fewer "
            f"than before, such as 3, 4, 5; not {list(told)}"
        )


def fitting(
    attributes: Int8[Tensor, "candidate attribute"], wanted: Int8[Tensor, "session attribute"]
) -> Bool[Tensor, "session candidate"]:
    """Which candidates agree with all that is wanted."""
    return wanted.float() @ attributes.float().T == wanted.ne(0).sum(1, keepdim=True).float()


def list_measures(
    retriever: Retriever, gallery: Gallery, queries: AttributeQueries, turn: Turn, target: Int[Tensor, " session"]
) -> Mapping[str, Tensor]:
    """P@10, its lift, R@10 of the relevant, average precision and prevalence of each session's list.

    Relevant are the candidates that agree with all that was told; before any reply, with all that turn 1 will tell.
    The target, of which the query was made, is neither ranked nor relevant. A session without another relevant
    candidate has 0 in all of them. Equal scores stand in the order of the gallery.

    Source:
        papers/face-attribute-retrieval.txt, "Computing metrics".
    """
    relevant = fitting(queries.attributes, queries.wanted(turn.sessions, target, max(turn.number, 1)))
    scores = retriever.score(turn.state, gallery).block(0, len(gallery))
    ranked = in_ranked_order(scores, relevant, target[:, None])
    return {
        f"P@{K}": precision_at(K, ranked),
        f"lift@{K}": lift_at(K, ranked),
        f"list_recall@{K}": recall_of_relevant_at(K, ranked),
        "average_precision": average_precision(ranked),
        "prevalence": ranked.double().mean(1),
    }


def read_query(
    text: str, attributes: Sequence[str], before: Int8[Tensor, " attribute"] | None = None
) -> Int8[Tensor, " attribute"]:
    """Read a query such as "Smiling, Eyeglasses, not Male"; capitals and underscores do not matter.

    Where every part begins with "also" or "forget", the line changes the query before: "also not Male" adds or negates,
    "forget Smiling" withdraws.

    Args:
        attributes: their names.
        before: what was wanted a turn before; None where nothing was asked yet.
    Raises:
        ValueError: no attribute, an unknown one (the nearest is suggested), one of which a line says two things, a
            change of nothing, or a line that is half a change.
    Example:
        >>> query = read_query("smiling, not male", ["Male", "Smiling", "Young"])
        >>> query.tolist()
        [-1, 1, 0]
        >>> read_query("also male, forget smiling", ["Male", "Smiling", "Young"], query).tolist()
        [1, 0, 0]
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise ValueError(f"the query {text!r} names no attribute; write some of {', '.join(attributes)}")
    changes = [part for part in parts if _plain(part).startswith(CHANGES)]
    if changes and len(changes) < len(parts):
        raise ValueError(
            f"{text!r} is half a new query and half a change; begin every part with also or forget, or none"
        )
    if changes and before is None:
        raise ValueError(f"{changes[0]!r} changes a query, but none was asked before; begin with one, such as Smiling")
    wanted = torch.zeros(len(attributes), dtype=torch.int8) if before is None or not changes else before.clone()
    heard: dict[int, int] = {}
    for part in parts:
        place, sign = _read_part(part, attributes)
        if heard.setdefault(place, sign) != sign:
            raise ValueError(f"the query says two things of {attributes[place]}; leave one out")
        if sign == 0 and int(wanted[place]) == 0:
            raise ValueError(f"there is nothing to forget: the query does not speak of {attributes[place]}")
        wanted[place] = sign
    return wanted


def _read_part(part: str, attributes: Sequence[str]) -> tuple[int, int]:
    """Place of the attribute that a part of a query names, and whether it is wanted (1), not (-1) or withdrawn (0)."""
    places = {_plain(name): place for place, name in enumerate(attributes)}
    plain, sign, forgotten = _plain(part), 1, False
    for word in CHANGES:
        if plain.startswith(word):
            plain, forgotten = plain.removeprefix(word), word == CHANGES[1]
    for word in ("not ", "no ", "without "):
        if plain not in places and plain.startswith(word):
            plain, sign = plain.removeprefix(word), -1
    if plain not in places:
        close = difflib.get_close_matches(plain, places, n=1, cutoff=0.5)
        hint = f"; did you mean {attributes[places[close[0]]]}?" if close else f"; known: {', '.join(attributes)}"
        raise ValueError(f"there is no attribute {part!r}{hint}")
    return places[plain], 0 if forgotten else sign


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").lower().split())
