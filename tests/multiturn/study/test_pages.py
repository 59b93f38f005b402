"""What the pages of a live study say, and where they lead; a real browser looks at them in test_layout.py."""

import re
from pathlib import Path

import pytest

from multiturn.study.clock import Clock
from tests.multiturn.study.squares import Visitor, study


def test_after_an_error_the_end_of_the_time_leads_on(tmp_path: Path):
    seconds = [0.0]
    visitor = Visitor(study(tmp_path, clock=Clock(0, lambda: seconds[0]), trial_seconds=60)).begin()
    visitor.post("/study/reply", text=" ")
    assert visitor.answer.status_code == 422
    refresh = re.search(r'http-equiv="refresh" content="(\d+); url=([^"]+)"', visitor.page)
    assert refresh is not None
    seconds[0] += int(refresh[1])
    visitor.get(refresh[2])
    assert visitor.answer.status_code == 200 and "The time for this image is over." in visitor.page


@pytest.mark.parametrize("act", ["begin", "start", "reply", "undo", "claim", "give-up", "answer"])
def test_the_address_of_a_form_leads_back_to_where_the_participant_is(tmp_path: Path, act: str):
    visitor = Visitor(study(tmp_path)).begin().get(f"/study/{act}")
    assert visitor.answer.status_code == 200 and "Describe the image" in visitor.page
    assert visitor.progress.step == 3


def test_an_address_of_no_form_has_no_page(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).begin().get("/study/nothing")
    assert visitor.answer.status_code == 404 and "There is nothing here" in visitor.page
