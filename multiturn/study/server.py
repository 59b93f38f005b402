"""The web server of a live study, put together: pages before, during and after, and what is said to who is lost."""

import sqlite3
import sys
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from multiturn.study.conduct import Study
from multiturn.study.entry import Entry
from multiturn.study.guard import TOO_LARGE, Guard, TooLarge
from multiturn.study.pages import STYLE, countdown, message, style
from multiturn.study.visits import Visits


def study_app(study: Study, origin: str = "") -> FastAPI:
    """The application of a study, for uvicorn.

    Args:
        study: that people take part in.
        origin: under which participants see the server, such as https://study.example.org; that of each request if "".
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, origin=origin)
    app.include_router(Entry(study, origin).router())
    app.include_router(Visits(study, origin).router())
    sheet = style()

    @app.get(f"/{STYLE}")
    def styled() -> Response:
        return Response(sheet, media_type="text/css")

    @app.get("/left-{seconds:int}.css")
    def left(seconds: int) -> Response:
        return Response(countdown(seconds), media_type="text/css")

    @app.exception_handler(HTTPException)
    def lost(request: Request, reason: HTTPException) -> Response:
        """A page for who is lost; it repeats nothing that was sent."""
        if reason.status_code == HTTPStatus.FORBIDDEN:
            text = "This page belongs to somebody who takes part. Go to the beginning, or use your personal link."
            return message(study.protocol, "You are not in the study yet", text, reason.status_code, home=True)
        return message(study.protocol, "There is nothing here", "Go back to where you were.", reason.status_code, True)

    @app.exception_handler(sqlite3.OperationalError)
    def unsaved(request: Request, reason: sqlite3.OperationalError) -> Response:
        print(f"error: {reason}; the last act of a participant was not saved", file=sys.stderr, flush=True)
        text = "What you did last could not be saved. Wait a little, go back to where you were, and do it again."
        return message(study.protocol, "That did not work", text, HTTPStatus.SERVICE_UNAVAILABLE, home=True)

    @app.exception_handler(TooLarge)
    def too_large(request: Request, reason: TooLarge) -> Response:
        return Response(TOO_LARGE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, media_type="text/plain")

    return app
