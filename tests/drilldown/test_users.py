"""Claims about the user who says captions: which one, in which order, and what is refused."""

import pytest
import torch

from drilldown.users import CaptionUser
from multiturn.contracts import check_user
from multiturn.gallery import Gallery
from multiturn.session import Turn

IDS = [f"{number:02d}.jpg" for number in range(12)]
COUNTS = [5 + number % 4 for number in range(12)]
CAPTIONS = [[f"caption {place} of {name}" for place in range(count)] for name, count in zip(IDS, COUNTS, strict=True)]
GALLERY = Gallery.of(IDS, torch.randn(12, 4, generator=torch.Generator().manual_seed(0)), "f", "s")
TARGETS = torch.tensor([3, 7, 0, 11])


def turn(number: int, sessions: torch.Tensor) -> Turn:
    shown = torch.zeros(len(sessions), 1, dtype=torch.long)
    return Turn(number, sessions, shown, shown.double(), None, None, None)


def said(user: CaptionUser, turns: int, sessions: torch.Tensor, targets: torch.Tensor) -> list[list[str]]:
    replies = [user.reply(turn(number, sessions), targets).text for number in range(turns)]
    return [list(session) for session in zip(*replies, strict=True)]


def test_the_user_keeps_the_promises_of_users():
    check_user(CaptionUser(IDS, CAPTIONS, 5), GALLERY, TARGETS, turns=5)


def test_the_first_captions_are_said_as_they_come():
    user = CaptionUser(IDS, CAPTIONS, 5)
    assert said(user, 5, torch.arange(4), TARGETS) == [CAPTIONS[target][:5] for target in TARGETS.tolist()]


def test_an_image_with_fewer_captions_than_turns_is_named_with_the_remedy():
    with pytest.raises(
        ValueError, match=r"'00\.jpg' has 5 captions, too few for 6 turns; lower evaluation\.turns to 5"
    ):
        CaptionUser(IDS, CAPTIONS, 6)


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_caption_is_refused(empty: str):
    with pytest.raises(ValueError, match=r"caption 1 of image 'b' is empty"):
        CaptionUser(["a", "b"], [["x", "y"], ["x", empty]], 2)


def test_asking_on_after_the_last_caption_is_refused():
    with pytest.raises(ValueError, match="says 5 captions a session"):
        CaptionUser(IDS, CAPTIONS, 5).reply(turn(5, torch.arange(4)), TARGETS)
