"""An answer as bytes: what the hot path sends by itself and the routes wrap into a response."""

from dataclasses import dataclass

import orjson
from starlette.responses import Response
from starlette.types import Send

Headers = list[tuple[bytes, bytes]]
"""Names in lower case and values, as ASGI has them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; `headers` lacks the content length, which is added when it is sent."""

    status: int
    headers: Headers
    body: bytes = b""

    @property
    def raw_headers(self) -> Headers:
        """The headers with the content length, where the status allows one (RFC 9110, 8.6)."""
        if self.status in {204, 304}:
            return self.headers
        return [*self.headers, (b"content-length", b"%d" % len(self.body))]


async def send_answer(answer: Answer, send: Send) -> None:
    """Send the answer through ASGI."""
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.raw_headers})
    await send({"type": "http.response.body", "body": answer.body})


def as_response(answer: Answer) -> Response:
    """The answer as what a route returns."""
    response = Response(content=answer.body, status_code=answer.status)
    response.raw_headers = answer.raw_headers
    return response


def no_content() -> Response:
    """The answer 204: it is done, and there is nothing to show."""
    return as_response(Answer(204, [(b"cache-control", b"no-store")]))


def unkept_json(value: object, *, status: int = 200, location: str | None = None) -> Response:
    """The value as JSON that neither a client nor anything on the way may keep; `location` is of what was made."""
    headers: Headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    if location is not None:
        headers.append((b"location", location.encode()))
    return as_response(Answer(status, headers, orjson.dumps(value, option=orjson.OPT_UTC_Z)))
