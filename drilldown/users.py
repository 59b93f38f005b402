"""The simulated user who says the target's captions, one a turn; what spoils a caption is in `noise`."""

from collections.abc import Sequence

from jaxtyping import Int
from torch import Tensor

from multiturn.replies import TextReply
from multiturn.session import Turn


class CaptionUser:
    """Says captions of the target and never looks at what is shown.

    Args:
        ids: of the gallery's candidates, in its order.
        captions: of each candidate, in the order in which they are said; those after the first `turns` are not.
        turns: captions a session needs.
    Raises:
        ValueError: an image has fewer captions than turns, or an empty one; it is named.
    Source:
        papers/drill-down.txt, "Dataset": validation and test keep the captions and their order fixed; the released
        code takes the first ten by region id. Training draws both at random: `drilldown.rollout.Rollout`.
    Example:
        >>> import torch
        >>> user = CaptionUser(["a.jpg", "b.jpg"], [["a dog", "it runs"], ["two cats", "a sofa"]], turns=2)
        >>> shown = torch.tensor([[0]])
        >>> second = Turn(1, torch.tensor([7]), shown, shown.double(), None, None, None)  # answers the first reply
        >>> user.reply(second, torch.tensor([1])).text
        ('a sofa',)
    """

    def __init__(self, ids: Sequence[str], captions: Sequence[Sequence[str]], turns: int) -> None:
        for name, said in zip(ids, captions, strict=True):
            if len(said) < turns:
                raise ValueError(
                    f"image {name!r} has {len(said)} captions, too few for {turns} turns; lower evaluation.turns to "
                    f"{len(said)}, or leave out images with so few"
                )
            if empty := [place for place, caption in enumerate(said) if not caption.strip()]:
                raise ValueError(f"caption {empty[0]} of image {name!r} is empty; correct or remove it")
        self._captions, self._turns = captions, turns

    def reply(self, turn: Turn, target: Int[Tensor, " session"]) -> TextReply:
        """See `multiturn.session.User.reply`.

        Raises:
            ValueError: the session has had all its captions.
        """
        if turn.number >= self._turns:
            raise ValueError(f"this user says {self._turns} captions a session; ask for no more turns")
        places: list[int] = target.tolist()
        return TextReply(tuple(self._captions[place][turn.number] for place in places))
