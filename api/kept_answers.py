"""Large answers kept for a moment: whoever asks the same within it shares one reading, one encoding, one packing."""

import asyncio
import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from api.answers import Answer, Headers, as_response
from api.paging import COMPRESS_FROM_BYTES, accepts_gzip
from api.preferences import is_match, joined_header

FRESH_SECONDS = 1.0
"""How old an answer may be, counted from when its reading began."""
MAX_KEPT = 32
"""Different questions kept at once; each may be some 10 MB."""


@dataclass(frozen=True, slots=True)
class _Kept:
    body: bytes
    etag: bytes


@dataclass(slots=True)
class _Entry:
    began: float
    kept: asyncio.Task[_Kept]
    packed: asyncio.Task[bytes] | None = None


class KeptAnswers:
    """JSON answers by the address that was asked for; one per process."""

    def __init__(self, *, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._fresh_seconds = fresh_seconds
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    async def answer(self, request: Request, make: Callable[[], Awaitable[bytes]]) -> Response:
        """Answer with what `make` writes, or has written within the last second; 304 where the client has it."""
        entry = self._entry_of(f"{request.url.path}?{request.url.query}", make)
        # One who leaves must not take the others' answer away.
        kept = await asyncio.shield(entry.kept)
        headers: Headers = [
            (b"etag", b"W/" + kept.etag),
            (b"cache-control", b"private, no-cache"),
            (b"vary", b"Accept-Encoding"),
        ]
        if_none_match = joined_header(request.scope["headers"], b"if-none-match")
        if if_none_match is not None and is_match(if_none_match, kept.etag):
            return as_response(Answer(304, headers))
        headers.append((b"content-type", b"application/json"))
        if len(kept.body) < COMPRESS_FROM_BYTES or not accepts_gzip(request):
            return as_response(Answer(200, headers, kept.body))
        entry.packed = entry.packed or asyncio.create_task(asyncio.to_thread(gzip.compress, kept.body, 1))
        headers.append((b"content-encoding", b"gzip"))
        return as_response(Answer(200, headers, await asyncio.shield(entry.packed)))

    def _entry_of(self, key: str, make: Callable[[], Awaitable[bytes]]) -> _Entry:
        now = asyncio.get_running_loop().time()
        entry = self._entries.get(key)
        if entry is None or not self._is_good(entry, now):
            entry = self._entries[key] = _Entry(now, asyncio.create_task(_keep(make)))
            # Its failure is told to whoever waits; that everybody has left is no mistake.
            entry.kept.add_done_callback(_has_failed)
            self._entries.move_to_end(key)
        while len(self._entries) > MAX_KEPT or not self._is_good(next(iter(self._entries.values())), now):
            self._entries.popitem(last=False)
        return entry

    def _is_good(self, entry: _Entry, now: float) -> bool:
        """Whether to wait for it, or to answer with it: a slow database is not asked the same twice at once."""
        if not entry.kept.done():
            return True
        return not _has_failed(entry.kept) and entry.began > now - self._fresh_seconds


def _has_failed(kept: asyncio.Task[_Kept]) -> bool:
    return kept.cancelled() or kept.exception() is not None


async def _keep(make: Callable[[], Awaitable[bytes]]) -> _Kept:
    body = await make()
    digest = await asyncio.to_thread(hashlib.sha256, body)
    return _Kept(body, f'"{digest.hexdigest()[:32]}"'.encode())
