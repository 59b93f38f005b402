"""What the pages of a live study say, and where they lead; a real browser looks at them in test_layout.py."""

import re
from pathlib import Path

import pytest

from multiturn.study.clock import Clock
from multiturn.study.conduct import Study
from multiturn.study.progress import Page, Told, Trial
from multiturn.study.protocol import read_protocol
from multiturn.study.schedule import Planned
from multiturn.study.store import Store
from multiturn.study.views import in_words
from tests.multiturn.study.squares import Visitor, protocol, study, system


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


@pytest.mark.parametrize("form", ["/consent", "/leave"])
def test_the_address_of_the_first_forms_leads_to_the_consent_or_back_into_the_study(tmp_path: Path, form: str):
    visitor = Visitor(study(tmp_path))
    assert visitor.get(form).answer.status_code == 200 and 'name="agree"' in visitor.page
    visitor.begin().get(form)
    assert visitor.answer.status_code == 200 and "Describe the image" in visitor.page and visitor.progress.step == 3


def test_an_address_of_no_form_has_no_page(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).begin().get("/study/nothing")
    assert visitor.answer.status_code == 404 and "There is nothing here" in visitor.page


def told(visitor: Visitor) -> list[str]:
    """The list of what was said, as it is read."""
    found = re.search(r'<ol class="told">(.*?)</ol>', visitor.page, re.DOTALL)
    assert found is not None
    return [re.sub(r"<[^>]+>", "", item).strip() for item in re.findall(r"<li>(.*?)</li>", found[1], re.DOTALL)]


@pytest.mark.parametrize(
    ("kind", "fields", "read"),
    [
        ("text", {"text": "two words"}, "two words"),
        ("wanted", {"mark_1": "-"}, "lacks: Red"),
        ("comparison", {"about": "3", "mark_1": "-"}, "beside image 3 of page 1, differs: Red"),
        ("example", {"closest": "2"}, "closest: image 2 of page 1"),
    ],
)
def test_what_was_said_reads_as_it_was_chosen(tmp_path: Path, kind: str, fields: dict[str, str], read: str):
    visitor = Visitor(study(tmp_path, kind)).begin().post("/study/reply", **fields)
    assert told(visitor) == [read]


def test_what_is_the_same_comes_first_and_the_label_of_the_image_does_not_turn_it_round():
    reply = {"kind": "attributes", "about": "c", "candidate": "-+-", "relevance": "+-+"}
    page = Page(["a", "b", "c"], [None] * 3, (1, 1))
    trial = Trial(Planned(0, "one", "d", 0, False), 0, [Told(0, "", None, page), Told(1, "", reply, page)])
    words = in_words(trial, 1, ("5_o_Clock_Shadow", "Attractive", "No_Beard"))
    assert words == "beside image 3 of page 1, same: 5 o Clock Shadow, No Beard; differs: Attractive"


@pytest.mark.parametrize(("kind", "field"), [("comparison", "about"), ("example", "closest")])
def test_the_image_that_was_spoken_of_stands_beside_what_was_said(tmp_path: Path, kind: str, field: str):
    visitor = Visitor(study(tmp_path, kind)).begin()
    before = visitor.client.get(f"/image/{visitor.progress.step}/3").content
    visitor.post("/study/reply", **{field: "3", "mark_1": "+"})
    (source,) = re.findall(r'src="(/image/\d+/told/\d+)"', visitor.page)
    assert visitor.client.get(source).content == before
    step = visitor.progress.step
    for path in (f"/image/{step}/told/0", f"/image/{step}/told/2", f"/image/{step}/told/-1"):
        assert visitor.client.get(path).status_code == 404
    visitor.post("/study/undo")
    assert visitor.client.get(source).status_code == 404


def test_words_have_no_image_beside_them(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).begin().post("/study/reply", text="a")
    assert "/told/" not in visitor.page
    assert visitor.client.get(f"/image/{visitor.progress.step}/told/1").status_code == 404


def test_a_wrapped_text_is_read_as_paragraphs(tmp_path: Path):
    wrapped = "You look for\nfaces. It takes\n10. minutes or so.\n \nYou may <b>stop</b>\nat any time.\n"
    visitor = Visitor(study(tmp_path, consent=wrapped)).get("/")
    assert "<p>You look for faces. It takes 10. minutes or so.</p>" in visitor.page
    assert "<p>You may &lt;b&gt;stop&lt;/b&gt; at any time.</p>" in visitor.page
    assert "pre-line" not in visitor.get("/study.css").page


def test_the_lists_of_a_text_stay_lists(tmp_path: Path):
    listed = "We keep:\n- what you say,\n- when you\n  say it.\n\nThen:\n\n2) look\n3) press"
    visitor = Visitor(study(tmp_path, consent=listed)).get("/")
    assert "<p>We keep:</p>\n<ul>\n<li>what you say,</li>\n<li>when you say it.</li>\n</ul>" in visitor.page
    assert '<ol start="2">\n<li>look</li>\n<li>press</li>\n</ol>' in visitor.page


def test_the_consent_text_of_the_shipped_example_breaks_at_its_paragraphs_only(tmp_path: Path):
    example = read_protocol(Path(__file__).resolve().parents[3] / "configs/studies/faces.yaml")
    visitor = Visitor(study(tmp_path, consent=example.consent)).get("/")
    found = re.search(r'<div class="text">(.*?)</div>', visitor.page, re.DOTALL)
    assert found is not None
    paragraphs = re.findall(r"<p>([^<]*)</p>", found[1])
    assert len(paragraphs) == 4 and all(one.endswith(".") and "\n" not in one for one in paragraphs)


def until_questions(visitor: Visitor) -> Visitor:
    visitor.agree().post("/study/begin")
    while visitor.progress.phase != "questionnaire":
        visitor.post("/study/start").find()
    return visitor


def test_questions_after_several_systems_are_asked_about_all_of_them(tmp_path: Path):
    systems = {"one": "a", "two": "b"}
    visitor = until_questions(Visitor(study(tmp_path, systems=systems, order="mixed")))
    assert "How was it to do the task?" in visitor.page and "for all of them together" in visitor.page
    visitor.answers()
    assert "How were the systems, taken together?" in visitor.page and "How was the system?" not in visitor.page
    assert "stands for all that you searched with" in visitor.page


@pytest.mark.parametrize(("systems", "blocks"), [({"one": "a"}, False), ({"one": "a", "two": "b"}, True)])
def test_questions_after_one_system_are_asked_about_it(tmp_path: Path, systems: dict[str, str], blocks: bool):
    visitor = until_questions(Visitor(study(tmp_path, systems=systems)))
    assert ("the last images only" in visitor.page) == blocks and "together" not in visitor.page
    assert "How was the system?" in visitor.answers().page


def test_a_way_to_answer_is_explained_where_it_first_comes_up(tmp_path: Path):
    asked = protocol(systems={"one": "a", "two": "b"}, practice=1, questionnaires=[])
    systems = {"one": system("one", "judgements"), "two": system("two", "comparison")}
    visitor = Visitor(Study(asked, systems, Store(tmp_path / "study.sqlite"))).agree().post("/study/begin")
    explained = {"judgements": "Choose “like it” below images", "comparison": "Choose one of the images below"}
    met: list[str] = []
    while visitor.progress.phase != "done":
        visitor.post("/study/start")
        kind = visitor.study.form(visitor.progress).kind
        assert (explained[kind] in visitor.page) == (kind not in met)
        assert ("Here you answer in another way." in visitor.page) == (bool(met) and kind not in met)
        met.append(kind)
        visitor.post("/study/give-up")
    assert set(met) == {"judgements", "comparison"}


def test_an_explanation_stays_until_nothing_more_can_be_said(tmp_path: Path):
    visitor = Visitor(study(tmp_path, turns=2)).begin()
    for expected in (True, True, False):
        assert ("Write what the image shows" in visitor.page) == expected
        visitor.post("/study/reply", text="a")


def test_the_time_that_is_left_is_read_aloud_and_counted_from_without_a_script(tmp_path: Path):
    seconds = [0.0]
    visitor = Visitor(study(tmp_path, clock=Clock(0, lambda: seconds[0]), trial_seconds=60)).begin()
    seconds[0] = 12.5
    visitor.get("/study")
    assert '<span class="unseen">48 s left when this page opened</span>' in visitor.page
    sheet = re.search(r'<link rel="stylesheet" href="(/left-48\.css)">', visitor.page)
    assert sheet is not None
    styled = visitor.client.get(sheet[1])
    assert styled.headers["content-type"].startswith("text/css") and "--from: 48; --seconds: 48s;" in styled.text
    assert visitor.client.get("/left-x.css").status_code == 404


def test_a_search_without_a_limit_shows_no_time(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).begin()
    assert "left-" not in visitor.page and "s left" not in visitor.page and "nearly over" not in visitor.page


def test_nobody_is_asked_to_say_more_who_may_not(tmp_path: Path):
    visitor = Visitor(study(tmp_path, turns=2, seen="keep")).begin()
    for expected in ("Look again, or say more.", "Look again, or give it up."):
        visitor.post("/study/reply", text="abcdefghijkl")
        visitor.post("/study/claim", place="1" if visitor.place_of_target != 1 else "2")
        assert f"That is not the image. {expected}" in visitor.page


def test_what_is_wrong_with_an_answer_is_said_in_a_sentence(tmp_path: Path):
    visitor = until_questions(Visitor(study(tmp_path))).post("/study/answer", mental="5")
    assert visitor.answer.status_code == 422 and ">Please answer every question; 5 are left" in visitor.page
