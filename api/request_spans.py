"""The span of a request: the trace it came in is gone on with, and without one a new one begins if tracing is on."""

from starlette.types import Scope

from api.access_log import QUIET_ROUTES
from api.exchange import Exchange
from api.ping_urls import masked_path
from shared.domain.traces import parse_traceparent
from shared.telemetry import NO_SPAN, Span, SpanKind, span

_SERVER_ERRORS = 500


def request_span(scope: Scope, headers: dict[bytes, bytes]) -> Span:
    """The span to answer the request in; what machines ask all day has none."""
    if scope["path"] in QUIET_ROUTES:
        return NO_SPAN
    given = headers.get(b"traceparent")
    parent = None if given is None else parse_traceparent(given.decode("latin-1"))
    return span(scope["method"], SpanKind.SERVER, parent=parent)


def describe_request(answered: Span, exchange: Exchange, scope: Scope) -> None:
    """Tell what was asked and answered, by OpenTelemetry's conventions for HTTP; the query may hold what is secret."""
    if not answered.is_recorded:
        return
    answered.rename(f"{scope['method']} {exchange.route}")
    answered.annotate(
        {
            "http.request.method": scope["method"],
            "http.route": exchange.route,
            "url.path": masked_path(scope["path"]),
            "http.response.status_code": exchange.status,
            "tocsin.request_id": exchange.request_id,
        }
    )
    if exchange.status >= _SERVER_ERRORS:
        answered.fail(str(exchange.status))
