"""Queries of wanted attributes: drawn of a target, read from words, and judged by whom they fit."""

import difflib
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Int, Int8
from torch import Tensor

from multiturn.draws import uniform
from multiturn.gallery import Gallery
from multiturn.ranked_lists import average_precision, in_ranked_order, precision_at, recall_of_relevant_at
from multiturn.replies import WantedReply
from multiturn.session import Retriever, Turn

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
    """P@10, R@10 of the relevant, average precision and prevalence of each session's list.

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
        f"list_recall@{K}": recall_of_relevant_at(K, ranked),
        "average_precision": average_precision(ranked),
        "prevalence": ranked.double().mean(1),
    }


def read_query(text: str, attributes: Sequence[str]) -> Int8[Tensor, " attribute"]:
    """Read a query such as "Smiling, Eyeglasses, not Male"; capitals and underscores do not matter.

    Raises:
        ValueError: no attribute, an unknown one (the nearest is suggested), or one both wanted and not.
    Example:
        >>> read_query("smiling, not male", ["Male", "Smiling", "Young"]).tolist()
        [-1, 1, 0]
    """
    wanted = torch.zeros(len(attributes), dtype=torch.int8)
    places = {_plain(name): place for place, name in enumerate(attributes)}
    for part in filter(None, (part.strip() for part in text.split(","))):
        plain = _plain(part)
        sign = 1
        for word in ("not ", "no ", "without "):
            if plain not in places and plain.startswith(word):
                plain, sign = plain.removeprefix(word), -1
        if plain not in places:
            close = difflib.get_close_matches(plain, places, n=1, cutoff=0.5)
            hint = f"; did you mean {attributes[places[close[0]]]}?" if close else f"; known: {', '.join(attributes)}"
            raise ValueError(f"there is no attribute {part!r}{hint}")
        place = places[plain]
        if int(wanted[place]) == -sign:
            raise ValueError(f"the query both wants {attributes[place]} and does not; leave one out")
        wanted[place] = sign
    if not bool(wanted.any()):
        raise ValueError(f"the query {text!r} names no attribute; write some of {', '.join(attributes)}")
    return wanted


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").lower().split())
