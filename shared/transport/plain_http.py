"""Plain HTTP/1.1 without libcurl: one `epoll` for all connections, woken once for all that are ready.

libcurl driven by an event loop costs two calls and three changes of watchers a connection. Here a connection is put
under watch once, and taken out of it by being closed.
"""

import asyncio
import select
import socket
from collections.abc import Callable

from shared.domain.target.egress import Denied
from shared.domain.target.observation import Fault
from shared.transport.dialling import Dialler, blocked, dial_fault
from shared.transport.http_answer import AnswerReader
from shared.transport.http_exchange import HttpAnswer
from shared.transport.plain_exchange import PlainExchange
from shared.transport.plain_results import STOPPED, PlainAsk, conclude_plain
from shared.transport.progress import End, Phases, Progress

IS_SUPPORTED = hasattr(select, "epoll")
"""Linux has it; elsewhere everything is asked by libcurl."""
_MOST_EVENTS = 256
_WATCHED = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET if IS_SUPPORTED else 0
_NEVER_ASKED = Phases(0.0, None, None, None, None)
_NOWHERE = End(None, None, None)


class PlainHttp:
    """Asks plain questions, each by a connection of its own. Bound to the loop of its first one; `close` it there."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler
        self._epoll: select.epoll | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._exchanges: dict[int, PlainExchange] = {}

    async def ask(self, ask: PlainAsk, progress: Progress, *, opened: Callable[[], None]) -> HttpAnswer | Fault:
        """Ask within what is left of the timeout; `opened` is called when the connection stands."""
        decision = self._dialler.decide(ask.address, ask.location.port)
        if isinstance(decision, Denied):
            progress.add_hop(_NEVER_ASKED, _NOWHERE)
            return blocked(decision)
        timeout_ms = progress.ms_left
        try:
            number, exchange = self._begin(ask, opened)
        except OSError as error:
            progress.add_hop(_NEVER_ASKED, _NOWHERE)
            return dial_fault(error.errno or 0, ask.location.shown)
        timer = exchange.ended.get_loop().call_later(timeout_ms / 1000, exchange.end)
        try:
            await exchange.ended
        finally:
            timer.cancel()
            exchange.end()
            if self._exchanges.get(number) is exchange:
                del self._exchanges[number]
        return STOPPED if self._epoll is None else conclude_plain(exchange, ask, progress, timeout_ms=timeout_ms)

    def close(self) -> None:
        """End everything under way."""
        epoll, self._epoll = self._epoll, None
        if epoll is not None and self._loop is not None:
            self._loop.remove_reader(epoll.fileno())
            epoll.close()
        for exchange in [*self._exchanges.values()]:
            exchange.end()

    def _begin(self, ask: PlainAsk, opened: Callable[[], None]) -> tuple[int, PlainExchange]:
        """Dial and watch; the socket's number goes with it, which another one may have as soon as it is closed."""
        epoll = self._epoll or self._open()
        family = socket.AF_INET6 if ":" in ask.address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        number = connection.fileno()
        reader = AnswerReader(is_head=ask.is_head, limit=ask.read_limit)
        exchange = PlainExchange(connection, ask.question, reader=reader, opened=opened)
        try:
            exchange.dial(ask.address, ask.location.port)
            # Not before it is dialled: a socket that is not connected counts as hung up.
            epoll.register(number, _WATCHED)
        except OSError:
            connection.close()
            raise
        self._exchanges[number] = exchange
        return number, exchange

    def _open(self) -> select.epoll:
        self._epoll = epoll = select.epoll()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(epoll.fileno(), self._on_ready)
        return epoll

    def _on_ready(self) -> None:
        if self._epoll is None:
            return
        for number, events in self._epoll.poll(0, _MOST_EVENTS):
            exchange = self._exchanges.get(number)
            if exchange is not None:
                exchange.on_event(events)
