"""The doors of a live study: consent, the personal link, withdrawal, and leaving the browser to somebody else."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from multiturn.study.conduct import Study
from multiturn.study.pages import message, page
from multiturn.study.store import Stale
from multiturn.study.withdrawal import withdraw

COOKIE = "session"
DAYS = 60  # that a browser remembers a participant
FIELDS = 200  # of a form: 40 attributes have one each
UNTICKED = "Without your agreement we cannot begin. Please tick the box if you agree."


@dataclass(frozen=True)
class Posted:
    """The fields of a form that was sent; of a field that came twice, the last."""

    fields: dict[str, str]

    @classmethod
    async def of(cls, request: Request) -> "Posted":
        """Read them; files are refused."""
        form = await request.form(max_files=0, max_fields=FIELDS)
        return cls({name: value for name, value in form.items() if isinstance(value, str)})

    def get(self, name: str) -> str:
        """A field; "" if it was not sent."""
        return self.fields.get(name, "")

    @property
    def step(self) -> int:
        """The participant's step that the page was for; -1 if it does not say, which no step equals."""
        text = self.get("step")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else -1


class Entry:
    """Lets participants in and out.

    Args:
        study: that they take part in.
        origin: see `multiturn.study.server.study_app`.
    """

    def __init__(self, study: Study, origin: str) -> None:
        self._study, self._secure = study, origin.startswith("https:")

    def router(self) -> APIRouter:
        """Where requests go."""
        router = APIRouter()
        router.add_api_route("/", self.consent, methods=["GET"])
        router.add_api_route("/consent", self.agree, methods=["POST"])
        router.add_api_route("/resume/{token}", self.resume, methods=["GET"])
        router.add_api_route("/withdraw", self.withdrawing, methods=["GET"])
        router.add_api_route("/withdraw", self.withdrawn, methods=["POST"])
        router.add_api_route("/leave", self.leave, methods=["POST"])
        for form in ("/consent", "/leave"):
            router.add_api_route(form, self.back, methods=["GET"])
        return router

    def consent(self, request: Request) -> Response:
        """What taking part means; who agreed already goes on where they were."""
        if self._study.who(request.cookies.get(COOKIE, "")) is not None:
            return RedirectResponse("/study", HTTPStatus.SEE_OTHER)
        return self._consent(*self._study.nonce())

    def back(self) -> Response:
        """Where a form was sent to is no page of its own: go to the first one, which knows how to go on."""
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)

    def agree(self, form: Annotated[Posted, Depends(Posted.of)]) -> Response:
        """Take somebody in who agreed: before this nothing of them is stored."""
        nonce, signature = form.get("nonce"), form.get("signature")
        if form.get("agree") != "yes":
            return self._consent(nonce, signature, UNTICKED)
        try:
            return self._admitted(self._study.agree(nonce, signature, form.get("version")))
        except Stale:
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)

    def resume(self, token: str) -> Response:
        """The personal link: go on with this browser."""
        if self._study.who(token) is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "No such link")
        return self._admitted(token)

    def withdrawing(self) -> Response:
        """Where a code can be given."""
        return HTMLResponse(page("withdraw", study=self._study.protocol, error=""))

    def withdrawn(self, form: Annotated[Posted, Depends(Posted.of)]) -> Response:
        """Delete everything about the participant of a code."""
        try:
            self._study.forget(withdraw(self._study.store, form.get("code")[:100]))
        except ValueError as reason:
            answer = page("withdraw", study=self._study.protocol, error=f"{reason}.")
            return HTMLResponse(answer, HTTPStatus.UNPROCESSABLE_ENTITY)
        done = "Nothing of what you did is kept. You may close this page."
        answer = message(self._study.protocol, "Everything about you has been deleted", done)
        answer.delete_cookie(COOKIE)
        return answer

    def leave(self) -> Response:
        """Let the next participant use this browser."""
        answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        answer.delete_cookie(COOKIE)
        return answer

    def _consent(self, nonce: str, signature: str, error: str = "") -> Response:
        status = HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK
        text = page("consent", study=self._study.protocol, nonce=nonce, signature=signature, error=error)
        return HTMLResponse(text, status)

    def _admitted(self, token: str) -> Response:
        answer = RedirectResponse("/study", HTTPStatus.SEE_OTHER)
        answer.set_cookie(COOKIE, token, DAYS * 86_400, httponly=True, samesite="lax", secure=self._secure)
        return answer
