"""Whether this process can do its work, asked at most once a second however often it is asked of us."""

import asyncio
from dataclasses import dataclass
from typing import Literal

from redis.asyncio import Redis

from shared.broker import REDIS_AWAY
from shared.storage.database import Database
from shared.storage.errors import StorageUnavailableError
from shared.storage.schema import OldSchemaError, check_schema

CHECK_SECONDS = 2.0
"""The most either server may take to answer."""
TTL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ReadinessReport:
    """`degraded` is ready: without Redis submissions are kept and run later."""

    status: Literal["ready", "degraded", "unavailable"]
    database: str
    redis: str


class Readiness:
    """Asks both servers."""

    def __init__(self, database: Database, redis: Redis) -> None:
        self._database = database
        self._redis = redis
        self._asked: tuple[float, asyncio.Task[ReadinessReport]] | None = None

    async def check(self) -> ReadinessReport:
        """The report, at most a second old; those who ask at once share one."""
        at = asyncio.get_running_loop().time()
        if self._asked is None or (self._asked[1].done() and self._asked[0] + TTL_SECONDS < at):
            self._asked = (at, asyncio.create_task(self._ask()))
        return await asyncio.shield(self._asked[1])

    async def _ask(self) -> ReadinessReport:
        database, redis = await asyncio.gather(self._ask_database(), self._ask_redis())
        if database != "ok":
            return ReadinessReport("unavailable", database, redis)
        return ReadinessReport("ready" if redis == "ok" else "degraded", database, redis)

    async def _ask_database(self) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await check_schema(self._database)
        except OldSchemaError as error:
            return str(error)
        except (StorageUnavailableError, TimeoutError):
            return "away"
        return "ok"

    async def _ask_redis(self) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._redis.ping()
        except REDIS_AWAY:
            return "away"
        return "ok"
