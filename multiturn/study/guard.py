"""What stands before every page of the study's server: sizes, headers, and where a form was sent from."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST = 64 * 1024  # bytes of a request's body: forty answers take under two thousand
TOO_LARGE = f"At most {LARGEST:,} bytes can be sent at once."
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not 'no-referrer': browsers then send no origin with a form either.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class TooLarge(Exception):
    """A body of unknown length went on beyond `LARGEST`; the server answers it with 413."""


class Guard:
    """Refuses what is too large before it is read, and forms of other sites; sets the headers of every answer.

    Args:
        app: what it stands before.
        origin: under which participants see the server, such as https://study.example.org; that of the request if "".
    """

    def __init__(self, app: ASGIApp, origin: str = "") -> None:
        self._app, self._origin = app, origin.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_encoded(HEADERS)]
            await send(message)

        if not self._at_home(scope, given):
            await _refuse(with_headers, 403, "This form was sent from another site.")
            return
        length = given.get("content-length", "0")
        if not length.isdecimal() or int(length) > LARGEST:
            await _refuse(with_headers, 413, TOO_LARGE)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > LARGEST:
                raise TooLarge
            return message

        await self._app(scope, counted, with_headers)

    def _at_home(self, scope: Scope, given: Mapping[str, str]) -> bool:
        """Whether a form was sent from a page of this server; a client that does not say where from is let through."""
        if scope["method"] in ("GET", "HEAD") or "origin" not in given:
            return True
        return given["origin"] == (self._origin or f"{scope['scheme']}://{given.get('host', '')}")


async def _refuse(send: Send, status: int, text: str) -> None:
    kind = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": kind})
    await send({"type": "http.response.body", "body": text.encode("utf-8")})


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
