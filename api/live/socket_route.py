"""Letting a WebSocket in, and the line in the log when it ends."""

import asyncio
import time
from uuid import uuid4

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.gate import unauthorized
from api.live.connection import BlockedError
from api.live.socket import TRANSPORT, LiveSocket, close_with
from api.live.socket_entry import admit_by_headers, admit_by_key
from api.live.socket_messages import MESSAGE, Authenticate
from api.problems import problem_answer, problem_of
from api.services import ApiServices
from api.validation import read_model
from shared.domain.access import Principal

AUTHENTICATE_SECONDS = 10.0
"""How long a client has for its first message where that has to tell who it is."""

_log = structlog.get_logger("access")


async def watch_by_socket(socket: WebSocket) -> None:
    """Serve one connection from its opening request to its end."""
    services: ApiServices = socket.app.state.services
    request_id, started = uuid4().hex, time.perf_counter()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    try:
        with services.live.admit(TRANSPORT):
            principal = await admit_by_headers(services.authentication, dict(socket.scope["headers"]))
            await socket.accept()
            await _serve(socket, services, principal)
    except (WebSocketDisconnect, BlockedError):
        pass
    except Exception as error:  # noqa: BLE001 - the last place that can tell the client
        await _refuse(socket, error, request_id)
    finally:
        _log.info("socket", path=socket.url.path, duration_ms=round((time.perf_counter() - started) * 1000, 3))


async def _serve(socket: WebSocket, services: ApiServices, principal: Principal | None) -> None:
    """Serve what was accepted; whatever is wrong is told in it."""
    try:
        if principal is None:
            await _authenticate(socket, services)
        await LiveSocket(socket, services.live).run()
    except (WebSocketDisconnect, BlockedError):
        raise
    except Exception as error:  # noqa: BLE001 - the last place that can tell the client
        await close_with(socket, error)


async def _authenticate(socket: WebSocket, services: ApiServices) -> None:
    """Let the first message tell who it is.

    Raises:
        ProblemError: it does not, or not in time.
    """
    try:
        async with asyncio.timeout(AUTHENTICATE_SECONDS):
            text = await socket.receive_text()
    except (TimeoutError, KeyError):
        raise unauthorized() from None
    message = read_model(MESSAGE, text.encode())
    if not isinstance(message, Authenticate):
        raise unauthorized()
    await admit_by_key(services.authentication, message.key)
    await socket.send_text('{"type":"authenticated"}')


async def _refuse(socket: WebSocket, error: Exception, request_id: str) -> None:
    """Answer the opening request with a problem, as any request."""
    answer = problem_answer(problem_of(error), request_id=request_id)
    start = {"type": "websocket.http.response.start", "status": answer.status, "headers": answer.raw_headers}
    await socket.send(start)
    await socket.send({"type": "websocket.http.response.body", "body": answer.body})
