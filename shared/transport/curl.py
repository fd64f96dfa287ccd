"""HTTP by libcurl, and plain HTTP past it: every wait bounded, every address checked as it is dialled."""

import asyncio
import time

import pycurl

from shared.domain.target.observation import Blame, Fault
from shared.transport.curl_options import find_bad_header, pin, prepare, secure
from shared.transport.curl_results import conclude
from shared.transport.curl_transfer import Transfer
from shared.transport.dialling import Dialler
from shared.transport.http_exchange import HttpAnswer, HttpFault, HttpRequest
from shared.transport.plain_http import IS_SUPPORTED, PlainHttp
from shared.transport.plain_question import plain_question
from shared.transport.plain_results import STOPPED, PlainAsk
from shared.transport.progress import Progress
from shared.transport.redirects import MOST_REDIRECTS, blame_redirect, is_redirect, next_request, redirect_target
from shared.transport.slots import OpeningSlot, acquire
from shared.transport.trust import find_ca_file
from shared.transport.urls import Location, parse_location

MAX_OPENING = 32
"""Connections being opened at once; more would measure each other instead of their targets."""
MAX_TOTAL = 1000
WATCHDOG_SECONDS = 5.0
"""How long after the timeout libcurl may still be busy before we stop believing in it."""


_STALLED = Fault("internal", "libcurl did not keep its timeout", Blame.OURS)


class _Handle:
    """An easy handle with the number that its pinned name is made of."""

    __slots__ = ("curl", "number")

    def __init__(self, number: int) -> None:
        self.curl = pycurl.Curl()
        self.number = number


class CurlClient:
    """Asks over HTTP under one egress policy. Bound to the loop of its first request; `close` it in that loop.

    What is plain and usual (`plain_question`) is asked by `PlainHttp`, at half the price; both tell the same.
    """

    def __init__(
        self,
        dialler: Dialler,
        *,
        max_opening: int = MAX_OPENING,
        max_total: int = MAX_TOTAL,
        ca_file: str | None = None,
    ) -> None:
        self._dialler = dialler
        self._ca_file = ca_file or find_ca_file()
        self._multi = pycurl.AsyncCurlMulti()
        self._plain = PlainHttp(dialler)
        self._total = asyncio.Semaphore(max_total)
        self._opening = asyncio.Semaphore(max_opening)
        self._idle: list[_Handle] = []
        self._made = 0

    async def fetch(self, request: HttpRequest) -> HttpAnswer | HttpFault:
        """Ask, follow redirects, and say what came of it; never raises for what the other side does.

        Waiting for a slot is not counted in any time told; it is bounded by the request's timeout a second time.
        """
        progress = Progress(request.timeout_seconds)
        if self._multi.closed:
            return progress.end(STOPPED)
        fault = find_bad_header(request.headers)
        fault = fault or await acquire(self._total, timeout_seconds=request.timeout_seconds)
        if fault is not None:
            return progress.end(fault)
        try:
            result = await self._follow(request, progress)
        finally:
            self._total.release()
        return progress.end(result) if isinstance(result, Fault) else result

    async def close(self) -> None:
        """End every exchange under way as our own fault and let go of all handles."""
        self._plain.close()
        await self._multi.aclose()
        for handle in self._idle:
            handle.curl.close()
        self._idle.clear()

    async def _follow(self, request: HttpRequest, progress: Progress) -> HttpAnswer | Fault:
        try:
            location = parse_location(request.url)
        except ValueError as error:
            return Fault("invalid_url", str(error), Blame.OURS)
        for _ in range(MOST_REDIRECTS + 1):
            answer = await self._hop(request, progress, location=location)
            if isinstance(answer, Fault):
                return blame_redirect(answer) if progress.redirects else answer
            if not is_redirect(request, answer):
                return answer
            progress.redirects += 1
            target = redirect_target(answer, location)
            if isinstance(target, Fault):
                return target
            request = next_request(request, status=answer.status, origin=location, target=target)
            location = target
        return Fault("redirect_loop", f"{location.shown} redirected more than {MOST_REDIRECTS} times")

    async def _hop(self, request: HttpRequest, progress: Progress, *, location: Location) -> HttpAnswer | Fault:
        """Ask one address: where it leads, whether we go there, a slot, the transfer."""
        started = time.perf_counter()
        route = await self._dialler.route(location.host, location.port, timeout_seconds=progress.seconds_left)
        if isinstance(route, Fault):
            progress.add_dns((time.perf_counter() - started) * 1000)
            return route
        progress.add_dns(route.dns_ms)
        slot = OpeningSlot(self._opening)
        await slot.take()
        question = plain_question(request, location) if IS_SUPPORTED and len(route.addresses) == 1 else None
        try:
            if question is None:
                return await self._transfer(request, progress, location=location, addresses=route.addresses, slot=slot)
            is_head = request.method == "HEAD"
            ask = PlainAsk(location, route.addresses[0], question, is_head, request.read_limit)
            return await self._plain.ask(ask, progress, opened=slot.release)
        finally:
            slot.release()

    async def _transfer(
        self,
        request: HttpRequest,
        progress: Progress,
        *,
        location: Location,
        addresses: tuple[str, ...],
        slot: OpeningSlot,
    ) -> HttpAnswer | Fault:
        """Ask by libcurl."""
        handle = self._idle.pop() if self._idle else self._make()
        transfer = Transfer(self._dialler, limit=request.read_limit, opened=slot.release)
        try:
            self._configure(handle, transfer, request, location=location)
            pin(handle.curl, addresses, location.port, handle=handle.number)
            timeout_ms = progress.ms_left
            handle.curl.setopt(pycurl.TIMEOUT_MS, timeout_ms)
            error = await self._perform(handle, timeout_ms / 1000)
            if isinstance(error, Fault):
                handle.curl.close()
                return error
            result = conclude(handle.curl, transfer, progress, location=location, error=error)
        except BaseException:
            # A handle that was cut off half-way is not used again.
            handle.curl.close()
            raise
        handle.curl.reset()
        self._idle.append(handle)
        return result

    def _configure(self, handle: _Handle, transfer: Transfer, request: HttpRequest, *, location: Location) -> None:
        prepare(handle.curl, transfer, request, location=location)
        if location.scheme == "https":
            secure(handle.curl, verify=request.verify_tls, ca_file=self._ca_file)

    async def _perform(self, handle: _Handle, timeout_seconds: float) -> pycurl.error | Fault | None:
        """Run the transfer; None when libcurl is content, a fault when it was not libcurl that ended it."""
        task = asyncio.current_task()
        try:
            ended = self._multi.add_handle(handle.curl)
            watchdog = ended.get_loop().call_later(timeout_seconds + WATCHDOG_SECONDS, ended.cancel)
            try:
                await ended
            finally:
                watchdog.cancel()
        except pycurl.error as error:
            return error
        except asyncio.CancelledError:
            if task is None or task.cancelling():
                raise
            return STOPPED if self._multi.closed else _STALLED
        return None

    def _make(self) -> _Handle:
        self._made += 1
        return _Handle(self._made)
