"""The pages of somebody who takes part: where they are, what they do there, and its images."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from multiturn.study.conduct import Study
from multiturn.study.entry import COOKIE, Posted
from multiturn.study.pages import page
from multiturn.study.store import Participant, Stale
from multiturn.study.thumbnails import Thumbnails
from multiturn.study.views import here, spoken_of


class Visits:
    """Answers the requests of participants, each known by their cookie alone.

    Args:
        study: that they take part in.
        origin: see `multiturn.study.server.study_app`.
    """

    def __init__(self, study: Study, origin: str) -> None:
        self._study, self._origin = study, origin
        self._thumbnails = Thumbnails(next(iter(study.systems.values())).images)
        self._acts = {
            "begin": study.begin,
            "start": study.start,
            "undo": study.undo,
            "give-up": study.give_up,
        }
        self._filled = {"reply": study.reply, "claim": study.claim, "answer": study.answer}

    def router(self) -> APIRouter:
        """Where requests go."""
        router = APIRouter()
        router.add_api_route("/study", self.current, methods=["GET"])
        router.add_api_route("/study/{act}", self.act, methods=["POST"])
        router.add_api_route("/study/{act}", self.back, methods=["GET"])
        router.add_api_route("/image/{step}/{place}", self.image, methods=["GET"])
        router.add_api_route("/image/{step}/told/{number}", self.told, methods=["GET"])
        return router

    def current(self, request: Request) -> Response:
        """The page that a participant is on."""
        return self._shown(request, self._known(request))

    def back(self, act: str) -> Response:
        """Where a form was sent to is no page of its own: go to the one that the participant is on."""
        if act not in {*self._acts, *self._filled}:
            raise HTTPException(HTTPStatus.NOT_FOUND, "No such page")
        return RedirectResponse("/study", HTTPStatus.SEE_OTHER)

    def act(self, act: str, request: Request, form: Annotated[Posted, Depends(Posted.of)]) -> Response:
        """Do what a form of the page asks for, once, and go where that leads."""
        who = self._known(request)
        if not self._study.is_signature("form", who.id, form.get("key")):
            raise HTTPException(HTTPStatus.FORBIDDEN, "No form of this study")
        try:
            if act in self._acts:
                self._acts[act](who, form.step)
            elif act in self._filled:
                self._filled[act](who, form.step, form.fields)
            else:
                raise HTTPException(HTTPStatus.NOT_FOUND, "No such page")
        except Stale:
            pass  # A second click, or another tab: what is true by now is shown.
        except ValueError as reason:
            return self._shown(request, who, str(reason), form.fields)
        return RedirectResponse("/study", HTTPStatus.SEE_OTHER)

    def image(self, step: int, place: str, request: Request) -> Response:
        """An image of the page that a participant is on, by its place there: ids never leave the server."""
        try:
            return self._file(self._study.image(self._known(request), step, place))
        except (Stale, ValueError):
            raise HTTPException(HTTPStatus.NOT_FOUND, "No such image") from None

    def told(self, step: int, number: int, request: Request) -> Response:
        """The image that a reply of the search spoke of, by the number of the reply: its page is gone by then."""
        progress = self._study.progress(self._known(request))
        searching = progress.step == step and progress.phase == "search"
        name = spoken_of(progress.trial, number) if searching and 0 < number < len(progress.trial.turns) else None
        if name is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "No such image")
        return self._file(name)

    def _file(self, name: str) -> Response:
        try:
            return Response(self._thumbnails.file(name), media_type="image/jpeg")
        except (KeyError, ValueError):
            raise HTTPException(HTTPStatus.NOT_FOUND, "No such image") from None

    def _known(self, request: Request) -> Participant:
        participant = self._study.who(request.cookies.get(COOKIE, ""))
        if participant is None:
            raise HTTPException(HTTPStatus.FORBIDDEN, "No session")
        return participant

    def _shown(
        self, request: Request, who: Participant, error: str = "", fields: Mapping[str, str] | None = None
    ) -> Response:
        name, values = here(self._study, who, request.cookies[COOKIE], self._origin or str(request.base_url))
        status = HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK
        return HTMLResponse(page(name, **values, error=error, fields=fields or {}), status)
