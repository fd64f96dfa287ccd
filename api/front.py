"""The one layer before every route: request id, rights, bounds, metrics, access log, and the last word on errors."""

import itertools
import os
import re
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access_log import AccessLog
from api.answers import send_answer
from api.exchange import Exchange, put_exchange, route_of
from api.gate import Gate
from api.metrics import ApiMetrics
from api.ping_urls import masked_path
from api.problem_kinds import INTERNAL_ERROR
from api.problems import problem_answer, problem_of
from api.request_body import BoundedBody
from api.request_spans import describe_request, request_span
from shared.telemetry import current_trace, report_error

_SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_log = structlog.get_logger()


class Front:
    """A pure ASGI layer: what five of a framework's middlewares would do, at a tenth of their price."""

    def __init__(
        self, app: ASGIApp, gate: Gate, *, metrics: ApiMetrics, access_log: AccessLog, max_body_bytes: int
    ) -> None:
        self._app = app
        self._gate = gate
        self._metrics = metrics
        self._access_log = access_log
        self._max_body_bytes = max_body_bytes
        # Unique without a random number for each request: the process's own prefix, then a count.
        self._prefix = os.urandom(6).hex()
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what is no request goes through untouched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        exchange = Exchange(
            request_id=self._request_id(headers),
            started=time.perf_counter(),
            headers=headers,
            method=scope["method"],
        )
        put_exchange(scope, exchange)
        structlog.contextvars.bind_contextvars(request_id=exchange.request_id)
        inner = scope if scope["method"] != "HEAD" else {**scope, "method": "GET"}
        with request_span(scope, headers) as answered:
            exchange.trace = current_trace()
            try:
                await self._answer(inner, receive, _Sender(send, exchange, is_head=inner is not scope))
            finally:
                seconds = time.perf_counter() - exchange.started
                exchange.route = exchange.route or route_of(inner)
                describe_request(answered, exchange, scope)
                self._metrics.observe_request(exchange, scope["method"], seconds=seconds)
                self._access_log.write(exchange, scope["method"], path=masked_path(scope["path"]), seconds=seconds)

    async def _answer(self, scope: Scope, receive: Receive, send: "_Sender") -> None:
        body = BoundedBody(receive, self._max_body_bytes)
        try:
            send.exchange.principal = await self._gate.admit(scope, send.exchange.headers)
            await self._app(scope, body, send)
        except Exception as error:  # noqa: BLE001 - the last place that can tell the client
            await self._tell(error, body, send, method=scope["method"])

    async def _tell(self, error: Exception, body: BoundedBody, send: "_Sender", *, method: str) -> None:
        problem = problem_of(error)
        if problem.kind is INTERNAL_ERROR:
            _log.error("request_failed", exc_info=error)
            report_error(error, where="request", request_id=send.exchange.request_id, method=method)
        if send.exchange.status:
            return
        if b"expect" not in send.exchange.headers:
            await body.drain()
        await send_answer(problem_answer(problem, request_id=send.exchange.request_id), send)

    def _request_id(self, headers: dict[bytes, bytes]) -> str:
        given = headers.get(b"x-request-id")
        if given is not None and _SANE_REQUEST_ID.fullmatch(given):
            return given.decode("ascii")
        return f"{self._prefix}{next(self._numbers):08x}"


class _Sender:
    """A `send` that notes what goes out and adds what every answer carries."""

    def __init__(self, send: Send, exchange: Exchange, *, is_head: bool) -> None:
        self.exchange = exchange
        self._send = send
        self._is_head = is_head

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.exchange.status = message["status"]
            request_id = (b"x-request-id", self.exchange.request_id.encode())
            headers = [*message["headers"], request_id, *self.exchange.security_headers]
            await self._send({"type": "http.response.start", "status": message["status"], "headers": headers})
        elif self._is_head:
            await self._send({**message, "body": b""})
        else:
            self.exchange.body_bytes += len(message.get("body", b""))
            await self._send(message)
