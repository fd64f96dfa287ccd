"""A circuit breaker per endpoint, shared by all workers, that spares slots and never hides a recovery.

What it protects: an endpoint that only times out would hold a slot of every worker for a whole timeout per collection.
After `THRESHOLD` time-outs in a row, whoever saw them, the circuit is open: one look per `LOOK_SECONDS` goes through,
over all workers together, and the others are told to skip. So a target that is collected no more often than that is
looked at every time, and a recovery is seen after `LOOK_SECONDS` at the latest.

A skipped collection says nothing of its target. Its outcome is `error` with the code `circuit_open`: what Tocsin did
not look at is its own choice, and is counted neither as up nor as down. Only time-outs open a circuit; a refused
connection costs next to nothing and closes it.

As long as nothing times out, Redis is never asked. A worker that has not seen a time-out of the endpoint itself looks,
and learns by its own time-out that the circuit is open. With Redis away every circuit is closed.
"""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

_log = structlog.get_logger()

THRESHOLD = 5
"""Time-outs in a row that open a circuit."""
LOOK_SECONDS = 5.0
"""While it is open, one look in this time goes through."""
FORGOTTEN_SECONDS = 120.0
"""An endpoint that nobody looked at for so long starts afresh."""
PATIENCE_SECONDS = 0.25
REMEMBERED_ENDPOINTS = 10_000

# KEYS: the count, the look. ARGV: threshold, milliseconds of a look. Answers the count if the look is to be skipped.
_ASK = """
local failures = tonumber(redis.call('get', KEYS[1]) or '0')
if failures < tonumber(ARGV[1]) then return 0 end
if redis.call('set', KEYS[2], '1', 'nx', 'px', ARGV[2]) then return 0 end
return failures
"""
# KEYS: the count. ARGV: milliseconds it lives.
_COUNT = """
local failures = redis.call('incr', KEYS[1])
redis.call('pexpire', KEYS[1], ARGV[1])
return failures
"""


@dataclass(frozen=True, slots=True)
class Skip:
    """The circuit is open and somebody else has looked a moment ago; `timeouts` is how many there were in a row."""

    timeouts: int


class Breaker:
    """The circuits of all endpoints, seen by one worker process; an endpoint is `host:port`."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._ask = redis.register_script(_ASK)
        self._count = redis.register_script(_COUNT)
        self._suspects: OrderedDict[str, float] = OrderedDict()

    async def ask(self, endpoint: str) -> Skip | None:
        """Whether to skip the look at hand; costs a round trip only for an endpoint that timed out before."""
        if not self._is_suspect(endpoint):
            return None
        count, look = _keys(endpoint)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                timeouts = cast("int", await self._ask(keys=[count, look], args=[THRESHOLD, int(LOOK_SECONDS * 1000)]))
        except (RedisError, OSError) as error:
            _log.debug("breaker_away", error=repr(error))
            return None
        return Skip(timeouts) if timeouts else None

    async def note_timeout(self, endpoint: str) -> None:
        """Count a time-out of the endpoint."""
        self._suspects[endpoint] = time.monotonic()
        self._suspects.move_to_end(endpoint)
        if len(self._suspects) > REMEMBERED_ENDPOINTS:
            self._suspects.popitem(last=False)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._count(keys=[_keys(endpoint)[0]], args=[int(FORGOTTEN_SECONDS * 1000)])
        except (RedisError, OSError) as error:
            _log.debug("breaker_away", error=repr(error))

    async def note_answer(self, endpoint: str) -> None:
        """The endpoint answered, whatever it said: its circuit closes; costs nothing for one that never timed out."""
        if self._suspects.pop(endpoint, None) is None:
            return
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._redis.delete(*_keys(endpoint))
        except (RedisError, OSError) as error:
            _log.debug("breaker_away", error=repr(error))

    def _is_suspect(self, endpoint: str) -> bool:
        seen = self._suspects.get(endpoint)
        if seen is None:
            return False
        if time.monotonic() - seen > FORGOTTEN_SECONDS:
            del self._suspects[endpoint]
            return False
        return True


def _keys(endpoint: str) -> tuple[str, str]:
    """The endpoint's two keys, which a cluster keeps in one slot."""
    name = sha256(endpoint.encode(errors="replace")).hexdigest()[:32]
    return f"tocsin:breaker:{{{name}}}:timeouts", f"tocsin:breaker:{{{name}}}:look"
