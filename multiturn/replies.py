"""What a user may say in a turn, as frozen batches with a JSON form; who says it and what it means live elsewhere.

A reply holds one row a session. A live user is a batch of one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, Int8
from torch import Tensor

_SIGNS = "-.+"  # different or absent, not said, same or present


@runtime_checkable
class Reply(Protocol):
    """A batch of replies of one kind."""

    def rows(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """One JSON-ready dict a session; `ids` are the gallery's, to name candidates by."""
        ...

    def to(self, device: torch.device | str) -> "Reply":
        """The same replies with their tensors on `device`."""
        ...


@dataclass(frozen=True)
class AttributeReply:
    """How the attributes of one shown candidate compare with the target's.

    Attributes:
        about: position in the gallery of the candidate the user speaks of.
        candidate: what the user says of that candidate: +1 has the attribute, -1 has not, 0 did not say.
        relevance: +1 the target is the same in this attribute, -1 it differs, 0 not said.
    Source:
        papers/facial-progressive-feedback.txt, section 3.2: a_t and o_t.
    """

    about: Int[Tensor, " session"]
    candidate: Int8[Tensor, "session attribute"]
    relevance: Int8[Tensor, "session attribute"]

    def rows(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """See `Reply.rows`. Signs are written '+', '-' and '.', one character an attribute."""
        about, candidate, relevance = self.about.tolist(), self.candidate.tolist(), self.relevance.tolist()
        return [
            {"kind": "attributes", "about": ids[a], "candidate": _signs(c), "relevance": _signs(r)}
            for a, c, r in zip(about, candidate, relevance, strict=True)
        ]

    def to(self, device: torch.device | str) -> "AttributeReply":
        """The same replies on `device`."""
        return AttributeReply(self.about.to(device), self.candidate.to(device), self.relevance.to(device))


@dataclass(frozen=True)
class WantedReply:
    """Which attributes the target has and lacks, all that holds by now: it replaces what was wanted before.

    So an attribute is added by wanting it too, withdrawn by leaving it out, and negated by the other sign.

    Attributes:
        wanted: +1 has the attribute, -1 has it not, 0 says nothing of it.
    """

    wanted: Int8[Tensor, "session attribute"]

    def rows(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """See `Reply.rows`. Signs are written '+', '-' and '.', one character an attribute."""
        return [{"kind": "wanted", "wanted": _signs(wanted)} for wanted in self.wanted.tolist()]

    def to(self, device: torch.device | str) -> "WantedReply":
        """The same replies on `device`."""
        return WantedReply(self.wanted.to(device))


@dataclass(frozen=True)
class TextReply:
    """A sentence about the target, one a session."""

    text: tuple[str, ...]

    def rows(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """See `Reply.rows`."""
        return [{"kind": "text", "text": text} for text in self.text]

    def to(self, device: torch.device | str) -> "TextReply":
        """Text lies on no device; returns itself."""
        return self


@dataclass(frozen=True)
class RelevanceReply:
    """Like and dislike of shown candidates.

    Attributes:
        judged: positions in the gallery.
        liked: +1 like, -1 dislike, 0 no judgement.
    """

    judged: Int[Tensor, "session judged"]
    liked: Int8[Tensor, "session judged"]

    def rows(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """See `Reply.rows`."""
        pairs = zip(self.judged.tolist(), self.liked.tolist(), strict=True)
        return [
            {"kind": "relevance", "judged": [ids[j] for j in judged], "liked": _signs(liked)} for judged, liked in pairs
        ]

    def to(self, device: torch.device | str) -> "RelevanceReply":
        """The same replies on `device`."""
        return RelevanceReply(self.judged.to(device), self.liked.to(device))


@dataclass(frozen=True)
class ImageReply:
    """An example image of the target, already encoded by the gallery's encoder.

    Attributes:
        names: what to call each image in a transcript.
        vectors: the images' vectors.
    """

    names: tuple[str, ...]
    vectors: Float[Tensor, "session dim"]

    def rows(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """See `Reply.rows`."""
        pairs = zip(self.names, self.vectors.tolist(), strict=True)
        return [{"kind": "image", "name": name, "vector": vector} for name, vector in pairs]

    def to(self, device: torch.device | str) -> "ImageReply":
        """The same replies on `device`."""
        return ImageReply(self.names, self.vectors.to(device))


def reply_from_rows(rows: Sequence[Mapping[str, Any]], positions: Mapping[str, int]) -> Reply:
    """Rebuild a batch of replies from the rows that `Reply.rows` wrote.

    Args:
        rows: one a session, all of one kind.
        positions: place in the gallery of each id.
    Raises:
        ValueError: mixed or unknown kinds, an id that is not in the gallery, a sign other than '+', '-', '.', or
            values of another type or number than `Reply.rows` writes.
    """
    kinds = {row.get("kind") for row in rows}
    if len(kinds) != 1:
        raise ValueError(f"one batch holds replies of one kind, not {sorted(map(str, kinds))}")
    try:
        match kinds.pop():
            case "attributes":
                _check_pairs(rows, "candidate", "relevance")
                return AttributeReply(
                    torch.tensor([positions[row["about"]] for row in rows]),
                    _tensor_of_signs([row["candidate"] for row in rows]),
                    _tensor_of_signs([row["relevance"] for row in rows]),
                )
            case "wanted":
                return WantedReply(_tensor_of_signs([row["wanted"] for row in rows]))
            case "text":
                if strange := [row["text"] for row in rows if not isinstance(row["text"], str)]:
                    raise ValueError(f"a text reply says a string, not {strange[0]!r}")
                return TextReply(tuple(row["text"] for row in rows))
            case "relevance":
                _check_pairs(rows, "judged", "liked")
                places = [[positions[name] for name in row["judged"]] for row in rows]
                judged = torch.tensor(places, dtype=torch.long)
                return RelevanceReply(judged, _tensor_of_signs([row["liked"] for row in rows]))
            case "image":
                vectors = torch.tensor([row["vector"] for row in rows], dtype=torch.float32)
                if vectors.ndim != 2 or not bool(torch.isfinite(vectors).all()):
                    raise ValueError("the vector of an image reply is one list of finite numbers")
                return ImageReply(tuple(row["name"] for row in rows), vectors)
            case kind:
                raise ValueError(f"unknown kind of reply {kind!r}; known: attributes, wanted, text, relevance, image")
    except KeyError as missing:
        raise ValueError(
            f"a reply lacks, or the gallery does not hold, {missing}: was it said to another gallery?"
        ) from missing
    except TypeError as reason:
        raise ValueError(f"a reply holds a value of the wrong type: {reason}") from reason


def _check_pairs(rows: Sequence[Mapping[str, Any]], one: str, other: str) -> None:
    for row in rows:
        if len(row[one]) != len(row[other]):
            raise ValueError(f"{one} and {other} go in pairs, but a reply has {len(row[one])} and {len(row[other])}")


def _signs(values: Sequence[int]) -> str:
    return "".join([_SIGNS[value + 1] for value in values])


def _tensor_of_signs(rows: Sequence[str]) -> Int8[Tensor, "session sign"]:
    for row in rows:
        if strange := set(row) - set(_SIGNS):
            raise ValueError(f"signs are '+', '-' and '.', not {sorted(strange)} in {row!r}")
    return torch.tensor([[_SIGNS.index(sign) - 1 for sign in row] for row in rows], dtype=torch.int8)
