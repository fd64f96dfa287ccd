"""Entity tags of what has versions (RFC 9110, 8.8.3): made, sent with what they are of, and asked for by requests."""

import hashlib
import re
from collections.abc import Mapping

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api import problem_kinds
from api.answers import Answer, Headers, as_response
from api.exchange import exchange_of
from api.preferences import is_match, is_strong_match
from api.problems import ProblemError

_TAG = re.compile(r'"([0-9]{1,18})(?:\.[0-9a-f]+)?"')
_DIGEST_BYTES = 6


def etag_of(shown: Mapping[str, object]) -> bytes:
    """The entity tag of what is shown with its `version`: that, then what tells how it stands."""
    body = orjson.dumps(shown, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)
    digest = hashlib.blake2b(body, digest_size=_DIGEST_BYTES).hexdigest()
    return f'"{shown["version"]}.{digest}"'.encode()


def not_modified(request: Request, etag: bytes) -> Response | None:
    """The answer 304 to who reads what `If-None-Match` already names; None where it is to be sent."""
    if_none_match = exchange_of(request.scope).headers.get(b"if-none-match")
    if request.method != "GET" or if_none_match is None or not is_match(if_none_match, etag):
        return None
    return as_response(Answer(304, _headers_of(etag)))


def tagged_json(shown: object, etag: bytes, *, status: int = 200, headers: Headers | None = None) -> Response:
    """The value as JSON with its entity tag, asked for anew before it is used again."""
    sent: Headers = [(b"content-type", b"application/json"), *(headers or []), *_headers_of(etag)]
    return as_response(Answer(status, sent, orjson.dumps(shown, option=orjson.OPT_UTC_Z)))


def versions_asked_for(request: Request) -> frozenset[int] | None:
    """The versions that `If-Match` names, whatever the state was; None where any will do, or nothing is said.

    How a thing stands changes by itself, so that only the version in the tag says what would be overwritten.

    Raises:
        ProblemError: the header is no list of entity tags.
    """
    if_match = exchange_of(request.scope).headers.get(b"if-match")
    if if_match is None or is_strong_match(if_match, b"*"):
        return None
    found = (_TAG.fullmatch(tag.strip()) for tag in if_match.decode("latin-1").split(","))
    return frozenset(int(tag.group(1)) for tag in found if tag is not None)


def versions_demanded(request: Request, *, noun: str) -> frozenset[int] | None:
    """The same of a request that has to say which it means, even if that is any; `noun` is what it changes.

    Raises:
        ProblemError: nothing is said, or the header is no list of entity tags.
    """
    if b"if-match" not in exchange_of(request.scope).headers:
        raise ProblemError(
            problem_kinds.PRECONDITION_REQUIRED,
            f"Send the {noun}'s ETag as If-Match, or If-Match: * to change it whatever it is.",
        )
    return versions_asked_for(request)


def _headers_of(etag: bytes) -> Headers:
    return [(b"etag", etag), (b"cache-control", b"private, no-cache")]
