"""What a session with likes and dislikes has heard: the example's vector, and which images were judged how."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int, Int8
from torch import Tensor

from multiturn.gallery import Gallery
from multiturn.replies import ImageReply, RelevanceReply, Reply


@dataclass(frozen=True)
class RelevanceState:
    """Memory of a batch of sessions; nothing is fitted in it, and nothing writes to it.

    Attributes:
        query: vector of the example image; zero before one was given.
        judged: positions in the gallery, each at most once a session, in the order of judging; -1 fills up.
        liked: +1 liked, -1 disliked, 0 where `judged` is -1.
        page: number of the reply that judged a column, from 0; the same for all sessions.
    """

    query: Float[Tensor, "session dim"]
    judged: Int[Tensor, "session judged"]
    liked: Int8[Tensor, "session judged"]
    page: Int[Tensor, " judged"]

    @property
    def both(self) -> Bool[Tensor, " session"]:
        """Whether a session has seen a like and a dislike: before that there is nothing to tell apart."""
        return (self.liked == 1).any(1) & (self.liked == -1).any(1)

    def rows(self, sessions: Int[Tensor, " chosen"]) -> "RelevanceState":
        """The state of some of the sessions."""
        return RelevanceState(self.query[sessions], self.judged[sessions], self.liked[sessions], self.page)


def at_start(sessions: int, gallery: Gallery) -> RelevanceState:
    """The state of sessions that have heard nothing.

    Raises:
        ValueError: a gallery of regions.
    """
    if gallery.vectors.ndim != 2:
        raise ValueError("likes and dislikes work on one vector an image; encode this gallery without regions")
    device = gallery.vectors.device
    return RelevanceState(
        torch.zeros(sessions, gallery.vectors.shape[1], device=device),
        torch.empty(sessions, 0, dtype=torch.long, device=device),
        torch.empty(sessions, 0, dtype=torch.int8, device=device),
        torch.empty(0, dtype=torch.long, device=device),
    )


def after(state: RelevanceState, reply: Reply, gallery: Gallery) -> RelevanceState:
    """The state after an example image or after judgements.

    A new example replaces the old one. Who judges an image again changes their mind: the later judgement holds.

    Raises:
        ValueError: a reply of another kind, an example from another encoder's space, a position outside the gallery, a
            judgement that is none of -1, 0 and 1, or an image that one reply both likes and dislikes.
    """
    if isinstance(reply, ImageReply):
        _check_example(state, reply)
        return replace(state, query=reply.vectors.float())
    if not isinstance(reply, RelevanceReply):
        raise ValueError(
            f"this retriever understands an example image, then likes and dislikes; not {type(reply).__name__}"
        )
    _check_judgements(state, reply, gallery)
    said = reply.liked != 0
    judged, liked = torch.where(said, reply.judged, -1), reply.liked.to(torch.int8)
    # Within one reply a repeated image is kept once; over replies the newer judgement holds.
    repeated = _again(judged, judged).tril(-1).any(2)
    judged, liked = torch.where(repeated, -1, judged), torch.where(repeated, 0, liked).to(torch.int8)
    renewed = _again(state.judged, judged).any(2)
    return RelevanceState(
        state.query,
        torch.cat([torch.where(renewed, -1, state.judged), judged], 1),
        torch.cat([torch.where(renewed, 0, state.liked).to(torch.int8), liked], 1),
        torch.cat([state.page, state.page.new_full((judged.shape[1],), _pages(state))]),
    )


def _pages(state: RelevanceState) -> int:
    """How many replies judged something."""
    return int(state.page[-1]) + 1 if len(state.page) else 0


def _again(
    positions: Int[Tensor, "session one"], others: Int[Tensor, "session other"]
) -> Bool[Tensor, "session one other"]:
    """Which pairs are the same image."""
    return (positions[:, :, None] == others[:, None, :]) & (positions >= 0)[:, :, None]


def _check_example(state: RelevanceState, reply: ImageReply) -> None:
    if reply.vectors.shape != state.query.shape:
        raise ValueError(
            f"examples of shape {tuple(reply.vectors.shape)} for {len(state.query)} sessions in a gallery of "
            f"{state.query.shape[1]} dimensions; encode them with the gallery's encoder, one a session"
        )
    fine = torch.isfinite(reply.vectors).all(1) & (reply.vectors != 0).any(1)
    if not bool(fine.all()):
        name = reply.names[int((~fine).nonzero()[0, 0])]
        raise ValueError(f"the vector of example {name!r} is zero or not finite, and is like nothing; encode it again")


def _check_judgements(state: RelevanceState, reply: RelevanceReply, gallery: Gallery) -> None:
    if len(reply.judged) != len(state.query) or reply.judged.shape != reply.liked.shape:
        raise ValueError(
            f"{tuple(reply.judged.shape)} images and {tuple(reply.liked.shape)} judgements for {len(state.query)} "
            "sessions; give one row a session and one judgement an image"
        )
    strange = (reply.liked < -1) | (reply.liked > 1)
    if bool(strange.any()):
        raise ValueError(
            f"a judgement is {int(reply.liked[strange][0])}; it is 1 for a like, -1 for a dislike and 0 for none"
        )
    outside = (reply.liked != 0) & ((reply.judged < 0) | (reply.judged >= len(gallery)))
    if bool(outside.any()):
        position = int(reply.judged[outside][0])
        raise ValueError(f"a judged image has position {position}; this gallery has 0..{len(gallery) - 1}")
    same = _again(reply.judged, reply.judged)
    contradicted = (same & (reply.liked[:, :, None] * reply.liked[:, None, :] == -1)).any(2)
    if bool(contradicted.any()):
        name = gallery.ids[int(reply.judged[contradicted][0])]
        raise ValueError(f"one reply both likes and dislikes {name!r}; say one of them")
