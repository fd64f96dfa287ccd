"""Whose turn it is to try a channel that fails: one try in a while, over all workers together.

With Redis away everybody has a turn: a channel that is tried too often is better than one that nobody tries.
"""

import asyncio
from datetime import timedelta
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

_log = structlog.get_logger()

PATIENCE_SECONDS = 0.25


class ChannelTurns:
    """The turns of all channels, seen by one worker process."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def take(self, channel_id: UUID, *, lasts: timedelta) -> bool:
        """Take the channel's turn; False when somebody had it less than `lasts` ago."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                milliseconds = int(lasts.total_seconds() * 1000)
                return bool(await self._redis.set(f"tocsin:channel:{channel_id}:turn", b"1", nx=True, px=milliseconds))
        except (RedisError, OSError) as error:
            _log.debug("channel_turns_away", error=repr(error))
            return True
