"""The pages of a live study as HTML; what they say is decided in multiturn/study/server.py."""

from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from multiturn.study.pages.texts import blocks
from multiturn.study.protocol import StudyProtocol

STYLE = "study.css"
_ENVIRONMENT = Environment(
    loader=PackageLoader("multiturn.study.pages", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["blocks"] = blocks


def page(name: str, **values: Any) -> str:
    """A page with everything in it escaped.

    Args:
        name: of its template, without ending.
        values: that it shows.
    """
    return _ENVIRONMENT.get_template(f"{name}.html.j2").render(**values)


def message(study: StudyProtocol, title: str, text: str, status: int = 200, home: bool = False) -> HTMLResponse:
    """A page with one thing to say.

    Args:
        status: of HTTP.
        home: whether it leads back to the beginning.
    """
    return HTMLResponse(page("message", study=study, title=title, text=text, home=home), status)


def style() -> str:
    """The style sheet of all pages."""
    loader = _ENVIRONMENT.loader
    assert loader is not None
    return loader.get_source(_ENVIRONMENT, STYLE)[0]


def countdown(seconds: int) -> str:
    """The style sheet that sets the time from which a page counts down: no page has a script, or styles within."""
    return f":root {{ --from: {seconds}; --seconds: {seconds}s; }}\n"
