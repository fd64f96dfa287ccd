"""What is asked of the next address after a redirect (RFC 9110, 15.4)."""

from urllib.parse import urljoin

from shared.domain.target.observation import Fault
from shared.transport.http_exchange import HttpAnswer, HttpRequest
from shared.transport.urls import Location, parse_location

MOST_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

_KEPT_ELSEWHERE = frozenset({"accept", "accept-language", "cache-control", "content-type", "user-agent"})
"""The headers that a foreign origin gets. Any other may hold a secret under a name of its own (`X-Api-Key`)."""


def is_redirect(request: HttpRequest, answer: HttpAnswer) -> bool:
    """Whether the answer sends us elsewhere and we are to go."""
    return request.follow_redirects and answer.status in _REDIRECTS and "location" in answer.headers


def redirect_target(answer: HttpAnswer, origin: Location) -> Location | Fault:
    """Where the answer sends us; a fault of the target when that is no HTTP address."""
    try:
        return parse_location(urljoin(origin.url, answer.headers["location"].replace(" ", "%20")))
    except ValueError as error:
        return Fault("invalid_redirect", f"{origin.shown} redirected to an address that cannot be asked: {error}")


def next_request(request: HttpRequest, *, status: int, origin: Location, target: Location) -> HttpRequest:
    """The request that follows a redirect from `origin` to `target`.

    303 turns everything but HEAD into GET, 301 and 302 turn POST into GET, as browsers do. A foreign origin gets
    neither `Authorization`, `Cookie` nor any other header that may be a secret.
    """
    headers = dict(request.headers)
    if not _is_same_site(origin, target):
        headers = {name: value for name, value in headers.items() if name.lower() in _KEPT_ELSEWHERE}
    becomes_get = (status == 303 and request.method != "HEAD") or (status in (301, 302) and request.method == "POST")  # noqa: PLR2004 - statuses are their own names.
    if not becomes_get:
        return request._replace(url=target.url, headers=headers)
    kept = {name: value for name, value in headers.items() if not name.lower().startswith("content-")}
    return request._replace(url=target.url, method="GET", body=None, headers=kept)


def _is_same_site(origin: Location, target: Location) -> bool:
    """Whether both are one origin, or the second is the first one's upgrade to TLS on the usual ports."""
    is_upgrade = origin.origin == ("http", target.host, 80) and target.origin == ("https", origin.host, 443)
    return is_upgrade or origin.origin == target.origin


def blame_redirect(fault: Fault) -> Fault:
    """The fault of an address that a redirect led to: when it cannot be asked, the target sent us there."""
    return Fault("invalid_redirect", f"redirected: {fault.message}") if fault.code == "invalid_url" else fault
