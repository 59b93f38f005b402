"""Users who look for a person with photos of them, and how well a list shows that person's faces."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from facefb.reverse_retriever import ExampleRetriever, ExampleState
from facefb.reverse_settings import Saying, check_says
from multiturn.gallery import Gallery
from multiturn.ranked_lists import average_precision, hit_at, in_ranked_order, r_precision
from multiturn.replies import ImageReply, RelevanceReply, Reply
from multiturn.session import Turn

HITS = (1, 5, 20)


class Album:
    """Whose face each candidate of a gallery is, and the photos of each person in a round.

    Args:
        person: name of each candidate's person, in the gallery's order.
        device: where the gallery lies.
    """

    def __init__(self, person: Sequence[str], device: torch.device | str = "cpu") -> None:
        self.names, numbers, counts = np.unique(np.asarray(person), return_inverse=True, return_counts=True)
        self.person: Int[Tensor, " candidate"] = torch.from_numpy(numbers).to(device)
        self.photos: Int[Tensor, " candidate"] = torch.from_numpy(counts).to(device)[self.person]
        self._order = self.person.argsort(stable=True)
        self._first = torch.from_numpy(np.cumsum(counts) - counts).to(device)[self.person]
        place = torch.empty_like(self._order)
        place[self._order] = torch.arange(len(self._order), device=place.device)
        self._place = place - self._first

    @property
    def mated(self) -> Int[Tensor, " mated"]:
        """Positions of the faces whose person has another photo."""
        return (self.photos > 1).nonzero()[:, 0]

    def photo(self, target: Int[Tensor, " session"], number: int) -> Int[Tensor, " session"]:
        """Position of the photo `number` places before the target's in the ring of the person's photos.

        Every photo is the first example of one session, and the target of one. Who has no more other photos gives
        the first one again.

        Args:
            number: counted from 1.
        Raises:
            ValueError: a target's person has no other photo.
        """
        photos = self.photos[target]
        if bool((photos < 2).any()):
            alone = int(target[photos < 2][0])
            raise ValueError(
                f"candidate {alone} is the only photo of {self.names[int(self.person[alone])]}: there is none to give "
                "and none to find; look for people with two or more"
            )
        back = torch.where(photos > number, number, 1)
        return self._order[self._first[target] + (self._place[target] - back) % photos]

    def same(self, target: Int[Tensor, " session"]) -> Bool[Tensor, "session candidate"]:
        """Which candidates are the target's person."""
        return self.person[target][:, None] == self.person[None]


class ExampleUser:
    """Gives photos of a person, one a turn, and says which shown faces are somebody else.

    Args:
        gallery: whose vectors the photos have: they are candidates themselves.
        album: of the same candidates.
        says: in turn 1, 2, ...; see `facefb.reverse_settings.ExampleSettings`.
    Raises:
        ValueError: `says` does not begin with an example.
    """

    def __init__(self, gallery: Gallery, album: Album, says: Sequence[Saying]) -> None:
        check_says(list(says))
        self._gallery, self._album, self._says = gallery, album, tuple(says)

    def reply(self, turn: Turn, target: Int[Tensor, " session"]) -> Reply:
        """See `multiturn.session.User.reply`.

        Raises:
            ValueError: a target's person has no other photo.
        """
        number = turn.number + 1
        match self._saying(number):
            case "example":
                chosen = self._album.photo(target, self.given(number))
                names = tuple(self._gallery.ids[place] for place in chosen.tolist())
                return ImageReply(names, self._gallery.vectors[chosen].float())
            case "wrong":
                other = self._album.person[turn.shown] != self._album.person[target][:, None]
                return RelevanceReply(turn.shown.clone(), -other.to(torch.int8))
            case "nothing":
                return RelevanceReply(turn.shown.clone(), torch.zeros_like(turn.shown, dtype=torch.int8))

    def given(self, turn: int) -> int:
        """How many examples have been given by a turn."""
        return sum(self._saying(number) == "example" for number in range(1, turn + 1))

    def _saying(self, turn: int) -> Saying:
        return self._says[min(turn, len(self._says)) - 1]


def other_photos(album: Album, turn: Turn, target: Int[Tensor, " session"]) -> Bool[Tensor, "session candidate"]:
    """All photos of the person but those that the session was given and that the retriever leaves out."""
    state = turn.state
    assert isinstance(state, ExampleState)
    relevant = album.same(target)
    session, column = (state.itself >= 0).nonzero(as_tuple=True)
    relevant[session, state.itself[session, column]] = False
    return relevant


def list_measures(
    retriever: ExampleRetriever, gallery: Gallery, album: Album, turn: Turn, target: Int[Tensor, " session"]
) -> Mapping[str, Tensor]:
    """Hit@1, 5 and 20, average precision and R-precision of each session's whole list.

    Relevant are all photos of the person but those that the session was given, which stand at the end of the list
    where the retriever leaves them out. Where it keeps them, they count: the source's protocol, in which the first
    hit is the query itself. Equal scores stand in the order of the gallery.
    """
    ranked = in_ranked_order(
        retriever.score(turn.state, gallery).block(0, len(gallery)), other_photos(album, turn, target)
    )
    return {
        **{f"hit@{k}": hit_at(k, ranked) for k in HITS},
        "average_precision": average_precision(ranked),
        "r_precision": r_precision(ranked),
    }
