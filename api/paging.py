"""How lists are sent: items with the cursor to the next page, linked as RFC 8288 says, compressed when large."""

import gzip
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api.answers import Answer, Headers, as_response

COMPRESS_FROM_BYTES = 4096
"""Below this compressing costs more than the bytes it saves."""


def query_text(request: Request) -> str:
    """The path and its filters in one fixed order: what a cursor belongs to. Limit and cursor are not part of it."""
    filters = sorted((name, value) for name, value in request.query_params.multi_items() if name not in _NOT_FILTERS)
    return f"{request.url.path}?{urlencode(filters)}"


_NOT_FILTERS = frozenset({"limit", "cursor"})


def page_response(
    request: Request,
    items: list[dict[str, object]],
    *,
    next_cursor: str | None,
    beside: Mapping[str, object] = MappingProxyType({}),
) -> Response:
    """One page of a list; `beside` is what it tells of the whole."""
    headers: Headers = []
    if next_cursor is not None:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        query = urlencode([*kept, ("cursor", next_cursor)])
        headers.append((b"link", f'<{request.url.path}?{query}>; rel="next"'.encode("ascii")))
    return json_response(request, {"items": items, "next_cursor": next_cursor, **beside}, headers=headers)


def json_response(request: Request, value: object, *, status: int = 200, headers: Headers | None = None) -> Response:
    """The value as JSON, never cached, compressed when it is large and the client asks for it."""
    body = orjson.dumps(value, option=orjson.OPT_UTC_Z)
    sent: Headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"private, no-store"),
        (b"vary", b"Accept-Encoding"),
        *(headers or []),
    ]
    if len(body) >= COMPRESS_FROM_BYTES and accepts_gzip(request):
        body = gzip.compress(body, compresslevel=1)
        sent.append((b"content-encoding", b"gzip"))
    return as_response(Answer(status, sent, body))


def accepts_gzip(request: Request) -> bool:
    """Whether the client takes gzip (RFC 9110, 12.5.3)."""
    for part in request.headers.get("accept-encoding", "").split(","):
        coding, _, weight = part.strip().partition(";")
        if coding.strip().lower() == "gzip":
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
