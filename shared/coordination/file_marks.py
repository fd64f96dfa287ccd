"""How far files were read, in Redis, by worker machine."""

import asyncio
import platform
from datetime import timedelta

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.domain.target.file_marks import FileMark, MarksUnavailableError

KEPT = timedelta(days=30)
"""How long a file's mark outlives its last look; who looks more seldom starts at the end again."""
PATIENCE_SECONDS = 1.0


class MarksInRedis:
    """Marks shared by the workers of one machine: they see the same files, others do not."""

    def __init__(self, redis: "Redis", *, machine: str | None = None) -> None:
        self._redis = redis
        self._machine = machine or platform.node()

    async def find(self, key: str) -> FileMark | None:
        """The mark; one that cannot be read counts as none."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                kept = await self._redis.get(self._name(key))
        except (RedisError, OSError) as error:
            raise MarksUnavailableError("Redis, which remembers how far files were read, is away") from error
        try:
            return msgspec.json.decode(kept, type=FileMark) if kept is not None else None
        except msgspec.MsgspecError:
            return None

    async def keep(self, key: str, mark: FileMark) -> None:
        """Remember the mark for a month."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._redis.set(self._name(key), msgspec.json.encode(mark), ex=KEPT)
        except (RedisError, OSError) as error:
            raise MarksUnavailableError("Redis, which remembers how far files were read, is away") from error

    def _name(self, key: str) -> str:
        return f"tocsin:file:{self._machine}:{key}"
