"""Which life Redis is in: another one after a wipe, a restart, or when another server took over."""

from typing import Any
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

EPOCH_KEY = "tocsin:epoch"
"""Made once and kept for ever; gone when Redis forgot things."""


async def read_epoch(redis: Redis) -> str:
    """The server's run id and a random key of ours; where an ACL forbids INFO the key alone tells a wipe, no restart.

    Raises:
        RedisError, OSError, TimeoutError: Redis is away.
    """
    async with redis.pipeline(transaction=False) as pipe:
        pipe.get(EPOCH_KEY)
        pipe.info("server")
        key, server = await pipe.execute(raise_on_error=False)
    if isinstance(key, Exception):
        raise key
    return f"{_run_id(server)}:{(key or await _made_key(redis)).decode()}"


async def _made_key(redis: Redis) -> bytes:
    """The key of the present life; of several processes that find none, one makes it."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.set(EPOCH_KEY, uuid4().hex, nx=True)
        pipe.get(EPOCH_KEY)
        _, key = await pipe.execute()
    made: bytes = key
    return made


def _run_id(server: dict[str, Any] | Exception) -> str:
    if isinstance(server, NoPermissionError):
        return ""
    if isinstance(server, Exception):
        raise server
    return str(server.get("run_id", ""))
