"""The process's connection to Redis or Valkey: bounded pool, a timeout on everything, reconnecting by itself."""

from typing import Any

import msgspec
from arq.connections import ArqRedis
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

SOCKET_TIMEOUT_SECONDS = 5.0
REDIS_AWAY = (RedisError, OSError, TimeoutError)
"""What is raised while Redis cannot be reached."""


def encode_ring(value: Any) -> bytes:  # noqa: ANN401 - ARQ hands over a dictionary of its own
    """ARQ's job serializer: JSON, never pickle, because whoever can write to Redis could run code by it."""
    return msgspec.json.encode(value)


def decode_ring(data: bytes) -> Any:  # noqa: ANN401 - ARQ takes a dictionary of its own
    """ARQ's job deserializer."""
    return msgspec.json.decode(data)


def connect_redis(redis_url: str, *, max_connections: int = 20) -> ArqRedis:
    """Make the process's Redis client: a bounded pool, a timeout on everything, reconnecting by itself."""
    pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
        redis_url,
        max_connections=max_connections,
        timeout=SOCKET_TIMEOUT_SECONDS,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=SOCKET_TIMEOUT_SECONDS,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 2),
        retry_on_error=[RedisConnectionError, RedisTimeoutError, OSError],
    )
    return ArqRedis(pool, job_serializer=encode_ring, job_deserializer=decode_ring)
