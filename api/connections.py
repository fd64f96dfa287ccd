"""The server's connections, with a way to break one off: a client that does not read cannot be told to go."""

from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from api.live.connection import ABORT


class HttpConnection(HttpToolsProtocol):
    """uvicorn's HTTP, whose requests know how to break off their connection."""

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        cast(dict[str, Any], self.scope)[ABORT] = self.transport.abort


class SocketConnection(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, likewise."""

    async def run_asgi(self) -> None:
        """The application takes over."""
        cast(dict[str, Any], self.scope)[ABORT] = self.transport.abort
        await super().run_asgi()
