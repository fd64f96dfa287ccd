"""Which questions are asked without libcurl, and the bytes they are asked by."""

from shared.transport.curl_options import USER_AGENT
from shared.transport.http_exchange import HttpRequest
from shared.transport.urls import Location

CODINGS = "gzip, deflate"
_BODY_IS_USUAL = frozenset({"POST", "PUT", "PATCH"})
_LEFT_TO_LIBCURL = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "te", "transfer-encoding", "upgrade"}
)
"""Headers that change how the two sides talk."""


def plain_question(request: HttpRequest, location: Location) -> bytes | None:
    """The bytes of the question; None when it is libcurl's: TLS, credentials in the address, dots in its path."""
    if location.scheme != "http" or location.has_credentials or "/." in location.tail:
        return None
    if not request.headers and request.body is None and request.method not in _BODY_IS_USUAL:
        return (
            f"{request.method} {location.tail} HTTP/1.1\r\nHost: {location.place}\r\nAccept: */*\r\n"
            f"Accept-Encoding: {CODINGS}\r\nUser-Agent: {USER_AGENT}\r\n\r\n"
        ).encode()
    names = {name.lower() for name in request.headers}
    if names & _LEFT_TO_LIBCURL:
        return None
    lines = [f"{request.method} {location.tail} HTTP/1.1"]
    own = {"Host": location.place, "Accept": "*/*", "Accept-Encoding": CODINGS, "User-Agent": USER_AGENT}
    lines += [f"{name}: {value}" for name, value in own.items() if name.lower() not in names]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    body = request.body or b""
    if request.body is not None or request.method in _BODY_IS_USUAL:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
