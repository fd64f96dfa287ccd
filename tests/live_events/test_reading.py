"""The stream is followed whatever happens to those who hear of it."""

import asyncio
from collections.abc import Sequence

from redis.asyncio import Redis

from shared.live_events import STREAM
from shared.live_events.reader import Entry, LiveReader
from shared.live_events.wire import FIELD, encode_batch
from shared.tasks import end_tasks


class Startled:
    """Somebody who fails at the first entry that is new."""

    def __init__(self) -> None:
        self.begun = 0
        self.has_begun = asyncio.Event()
        self.has_heard = asyncio.Event()

    def wants_more(self, _kept: Sequence[Entry]) -> bool:
        return False

    def begin(self, _past: Sequence[Entry]) -> None:
        self.begun += 1
        self.has_begun.set()

    async def hear(self, _entries: Sequence[Entry]) -> None:
        if self.begun == 1:
            self.has_begun.clear()
            raise LookupError("startled")
        self.has_heard.set()


async def test_a_follower_that_fails_begins_anew(redis: Redis) -> None:
    """It is told what there is, and hears of what comes: nobody watches a stream that has died unseen."""
    follower = Startled()
    following = asyncio.create_task(LiveReader(redis).follow(follower))
    async with asyncio.timeout(60):
        await follower.has_begun.wait()
        await redis.xadd(STREAM, {FIELD: encode_batch(())})
        while follower.begun == 1 and not following.done():
            await redis.ping()
        await follower.has_begun.wait()
        await redis.xadd(STREAM, {FIELD: encode_batch(())})
        await follower.has_heard.wait()
    assert (follower.begun, following.done()) == (2, False)
    await end_tasks([following])
