"""Reading the live stream: once per process, from where it stands, and anew when it is not what it was."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import structlog
from redis.asyncio import Redis

from shared.broker import REDIS_AWAY
from shared.live_events.wire import FIELD, STREAM, encode_batch

BLOCK_MS = 1_000
"""How long one read waits, and after how long a wiped Redis is noticed at the latest."""

READ_ENTRIES = 500
RECONNECT_SECONDS = 0.5

_log = structlog.get_logger()


class EntryId(NamedTuple):
    """An entry's id: a moment in milliseconds, and a count within it. Later entries have larger ones."""

    milliseconds: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.milliseconds}-{self.sequence}"


class Entry(NamedTuple):
    """An entry as it stands in the stream."""

    entry_id: EntryId
    body: bytes


class Follower(Protocol):
    """Who is told what the stream holds."""

    def wants_more(self, kept: Sequence[Entry]) -> bool:
        """Whether more of the past is wanted than `kept`, which is what has been read of it yet, the newest first."""

    def begin(self, past: Sequence[Entry]) -> None:
        """The stream begins, or began anew; `past` is what it held before, the newest entry last, and never empty."""

    async def hear(self, entries: Sequence[Entry]) -> None:
        """Entries were added."""


class LiveReader:
    """Reads the stream over one connection, which it keeps."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._position: Entry | None = None
        self._anchor: Entry | None = None

    async def follow(self, follower: Follower) -> None:
        """Tell the follower of each entry, in order and each once, until cancelled.

        When entries may be missing, because Redis was wiped, the reader was away for too long, or the follower failed
        at one, it begins anew.
        """
        while True:
            try:
                if self._position is None or self._anchor is None:
                    await self._begin(follower)
                else:
                    await self._go_on(follower, self._anchor, self._position)
            except REDIS_AWAY as error:
                _log.debug("live_events_reconnecting", error=repr(error))
            except Exception:  # noqa: BLE001 - a stream that nobody reads any more would look like a quiet one
                _log.exception("live_events_not_told")
                self._position = None
            else:
                continue
            await asyncio.sleep(RECONNECT_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - spreads reconnects

    async def _begin(self, follower: Follower) -> None:
        past = _entries(await self._redis.xrevrange(STREAM, count=READ_ENTRIES))
        while past and follower.wants_more(past):
            older = _entries(await self._redis.xrevrange(STREAM, max=f"({past[-1].entry_id}", count=READ_ENTRIES))
            if not older:
                break
            past += older
        if not past:
            # An entry of our own, since only what is there can be known again.
            await self._redis.xadd(STREAM, {FIELD: encode_batch(())})
            past = _entries(await self._redis.xrevrange(STREAM, count=READ_ENTRIES))
        follower.begin(past[::-1])
        self._position = self._anchor = past[0]

    async def _go_on(self, follower: Follower, anchor: Entry, position: Entry) -> None:
        is_there, entries = await self._read(anchor, position)
        if not is_there:
            _log.warning("live_events_began_anew")
            self._position = None
            return
        self._anchor = position
        if entries:
            self._position = entries[-1]
            await follower.hear(entries)

    async def _read(self, anchor: Entry, position: Entry) -> tuple[bool, list[Entry]]:
        """What follows `position`, and whether `anchor`, which was read before it, was still there just then.

        A wiped stream goes on with larger ids, or in the same millisecond with the same ones, so that only an entry
        that is missing, or another one, tells of it.
        """
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.xrange(STREAM, str(anchor.entry_id), str(anchor.entry_id))
        pipeline.xread({STREAM: str(position.entry_id)}, count=READ_ENTRIES, block=BLOCK_MS)
        found, streams = await pipeline.execute()
        return _entries(found) == [anchor], _entries(streams[0][1]) if streams else []


def _entries(found: Sequence[Any]) -> list[Entry]:
    return [Entry(_id_of(entry_id), fields.get(FIELD, b"")) for entry_id, fields in found]


def _id_of(written: bytes) -> EntryId:
    milliseconds, _, sequence = written.partition(b"-")
    return EntryId(int(milliseconds), int(sequence))
