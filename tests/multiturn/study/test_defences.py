"""What the study's server refuses, and what it never gives away."""

import re
import sqlite3
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from multiturn.study.guard import LARGEST
from multiturn.study.server import study_app
from multiturn.study.store import Store
from multiturn.study.tokens import code_of
from multiturn.study.withdrawal import note_written, withdraw
from tests.multiturn.study.squares import IDS, Visitor, study


@pytest.mark.parametrize("token", ["", "x", "0" * 43, "../../etc/passwd", "' OR 1=1 --"])
def test_a_forged_session_gets_nothing(tmp_path: Path, token: str):
    Visitor(running := study(tmp_path)).begin()
    stranger = Visitor(running)
    stranger.client.cookies["session"] = token
    for path in ("/study", "/image/3/1", "/image/3/target", "/resume/x"):
        assert stranger.get(path).answer.status_code in (403, 404)
    assert stranger.post("/study/reply", step="3", text="a").answer.status_code == 403


def test_nobody_can_send_somebody_elses_form(tmp_path: Path):
    one, other = (Visitor(running) for running in [study(tmp_path)] * 2)
    one.begin()
    other.begin()
    other.page = one.page
    assert other.post("/study/reply", text="a").answer.status_code == 403
    assert len(one.progress.trial.turns) == len(other.progress.trial.turns) == 1


def test_a_form_of_another_site_is_refused(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).begin()
    visitor.client.headers["origin"] = "https://elsewhere.example"
    assert visitor.post("/study/reply", text="a").answer.status_code == 403
    visitor.client.headers["origin"] = "http://testserver"
    assert visitor.get("/study").post("/study/reply", text="a").answer.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/image/2/..%2f..%2f..%2fetc%2fpasswd",
        "/image/2/../../../etc/passwd",
        "/image/2/0",
        "/image/2/99",
        "/image/2/-1",
        "/image/2/²",
        "/image/2/a%2Fsecret-a.png",
        "/image/1/target",
        "/image/x/1",
        "/study.css/../../pyproject.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
    ],
)
def test_images_are_looked_up_by_their_place_and_no_path_leads_anywhere(tmp_path: Path, path: str):
    visitor = Visitor(study(tmp_path, "judgements")).agree().post("/study/begin").post("/study/start")
    assert visitor.progress.step == 3
    visitor.get(path.replace("/image/2/", "/image/3/"))
    assert visitor.answer.status_code in (404, 422) and "root:" not in visitor.page


def test_images_are_those_of_the_page_that_is_shown_and_of_no_other(tmp_path: Path):
    visitor = Visitor(study(tmp_path, "judgements")).begin()
    step = visitor.progress.step
    files = [visitor.client.get(f"/image/{step}/{place}") for place in ("1", "2", "3", "4", "target")]
    assert [file.status_code for file in files] == [200] * 5
    assert all(
        file.content.startswith(b"\xff\xd8") and not any(name.encode() in file.content for name in IDS)
        for file in files
    )
    visitor.post("/study/reply", mark_1="+")
    assert visitor.client.get(f"/image/{step}/1").status_code == 404


def test_a_hidden_target_cannot_be_asked_for(tmp_path: Path):
    visitor = Visitor(study(tmp_path, target="hidden")).agree().post("/study/begin")
    assert visitor.client.get(f"/image/{visitor.progress.step}/target").status_code == 200
    visitor.post("/study/start")
    assert visitor.client.get(f"/image/{visitor.progress.step}/target").status_code == 404
    assert "/target" not in visitor.page


@pytest.mark.parametrize("place", ["0", "5", "-1", "1e0", "٣", "../1", "9" * 400, ""])
def test_a_claim_of_what_is_not_on_the_page_is_refused(tmp_path: Path, place: str):
    visitor = Visitor(study(tmp_path, "judgements")).begin().post("/study/claim", place=place)
    assert visitor.answer.status_code == 422 and visitor.progress.trial.claims == []


def test_ten_megabytes_of_text_are_refused_before_they_are_read(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).begin()
    assert visitor.post("/study/reply", text="x" * 10_000_000).answer.status_code == 413
    pieces = (b"text=" + b"x" * 65_536 for _ in range(160))  # without a length that could be believed
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert visitor.client.post("/study/reply", content=pieces, headers=kind).status_code == 413
    assert visitor.client.post("/study/reply", content=b"x", headers={"content-length": "many"}).status_code in (
        400,
        413,
    )
    assert len(visitor.progress.trial.turns) == 1 and LARGEST < 10_000_000


def test_html_in_a_query_is_shown_as_text(tmp_path: Path):
    attack = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    visitor = Visitor(study(tmp_path)).begin().post("/study/reply", text=attack)
    assert "<script" not in visitor.page and "<img src=x" not in visitor.page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in visitor.page


def test_every_answer_has_the_headers_that_keep_it_to_itself(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).begin()
    for path in ("/study", "/study.css", "/nothing", "/withdraw", f"/image/{visitor.progress.step}/target"):
        headers = visitor.get(path).answer.headers
        assert "default-src 'none'" in headers["content-security-policy"] and headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff" and "unsafe" not in headers["content-security-policy"]
    cookie = visitor.client.get("/", follow_redirects=False).headers.get("set-cookie", "")
    assert cookie == ""


def test_the_cookie_cannot_be_read_by_scripts_and_travels_over_https_only_where_there_is_https(tmp_path: Path):
    running = study(tmp_path)
    nonce, signature = running.nonce()
    form = {"agree": "yes", "nonce": nonce, "signature": signature, "version": running.protocol.consent_version}
    for origin, secure in (("", False), ("https://study.example.org", True)):
        client = TestClient(study_app(running, origin), follow_redirects=False)
        cookie = client.post("/consent", data=form).headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie and ("Secure" in cookie) == secure


def test_no_page_has_a_script_or_anything_from_elsewhere(tmp_path: Path):
    visitor = Visitor(study(tmp_path, "comparison"))
    pages = [visitor.get("/").page, visitor.agree().page, visitor.post("/study/begin").page]
    pages += [visitor.post("/study/start").page, visitor.get("/withdraw").page]
    for page in pages:
        assert not re.search(r"<script|\son\w+=|style=|javascript:|(?:src|href|action)=\"(?:https?:)?//", page)
        assert '<html lang="en">' in page and "viewport" in page


def test_pages_can_be_read_aloud_and_do_not_tell_the_target(tmp_path: Path):
    visitor = Visitor(study(tmp_path, "judgements")).begin()
    texts = re.findall(r'<img [^>]*alt="([^"]*)"', visitor.page)
    assert texts == ["The image to find", *(f"Image {place} of 4" for place in range(1, 5))]
    assert visitor.page.count("<img") == len(texts)
    assert not any(name in visitor.page for name in IDS)
    labelled = re.sub(r"<label.*?</label>", "", visitor.page, flags=re.DOTALL)
    assert re.findall(r'<input(?! type="hidden")', labelled) == [] and "<fieldset" in visitor.page


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_after_a_withdrawal_no_file_contains_the_participant(tmp_path: Path):
    running = study(tmp_path)
    visitor, other = Visitor(running).begin(), Visitor(running).begin()
    who, code = visitor.who.id, code_of(visitor.client.cookies["session"])
    visitor.post("/study/reply", text="abc unmistakable words")
    other.post("/study/reply", text="other words")
    (tmp_path / "export.csv").write_text(who)
    note_written(running.store, [tmp_path / "export.csv"])
    assert who.encode() in everything(tmp_path) and b"unmistakable" in everything(tmp_path)
    visitor.get("/withdraw").post("/withdraw", code=f" {code.lower().replace('-', ' ')} ")
    assert "has been deleted" in visitor.page
    left = everything(tmp_path)
    assert who.encode() not in left and b"unmistakable" not in left and b"other words" in left
    assert not (tmp_path / "export.csv").exists()
    assert visitor.get("/study").answer.status_code == 403
    assert len(other.get("/study").progress.trial.turns) == 2


def test_a_code_that_nobody_has_deletes_nothing(tmp_path: Path):
    visitor = Visitor(study(tmp_path)).begin()
    for code in ("", "ABCD-EFGH-IJKL-MNOP", "%", visitor.who.id):
        assert visitor.get("/withdraw").post("/withdraw", code=code).answer.status_code == 422
    assert visitor.get("/study").progress.phase == "search"


def test_the_server_notices_a_withdrawal_by_another_program(tmp_path: Path):
    running = study(tmp_path, "judgements")
    visitor = Visitor(running).begin().post("/study/reply", mark_1="+")
    other = Store(tmp_path / "study.sqlite", must_exist=True)
    withdraw(other, code_of(visitor.client.cookies["session"]))
    other.close()
    assert visitor.get("/study").answer.status_code == 403
    newcomer = Visitor(running).begin()
    assert newcomer.who.number == 0 and len(newcomer.progress.trial.turns) == 1
    newcomer.post("/study/reply", mark_2="+")
    assert len(newcomer.progress.trial.turns) == 2


def test_a_place_that_is_free_again_is_given_to_the_next(tmp_path: Path):
    running = study(tmp_path)
    visitors = [Visitor(running).agree() for _ in range(3)]
    visitors[1].get("/withdraw").post("/withdraw", code=code_of(visitors[1].client.cookies["session"]))
    assert [Visitor(running).agree().who.number for _ in range(2)] == [1, 3]


def test_a_disk_that_is_full_is_said_and_nothing_is_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    visitor = Visitor(study(tmp_path, "judgements")).begin()

    def full(participant: str, event: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(visitor.study.store, "append", full)
        visitor.post("/study/reply", mark_1="+")
    assert visitor.answer.status_code == 503 and "could not be saved" in visitor.page
    visitor.get("/study").post("/study/reply", mark_1="+")
    assert len(visitor.progress.trial.turns) == 2
