"""The collection flow with the breaker that workers really share."""

from collections import Counter
from datetime import UTC, datetime

from redis.asyncio import Redis

from shared.coordination.breaker import THRESHOLD, Breaker
from shared.domain.target.observation import Fault, Observation
from shared.domain.target.outcome import Outcome, Reading
from shared.domain.target.targets import HttpTarget
from shared.services.target.collection import Collection

TARGET = HttpTarget.model_validate({"kind": "http", "url": "http://dead.example/"})


class Host:
    """A host that times out until it recovers."""

    def __init__(self) -> None:
        self.is_dead = True
        self.looks = 0

    async def collect(self, target: HttpTarget) -> Observation:
        self.looks += 1
        if self.is_dead:
            return Observation(10.0, {"CONNECTED": False}, {}, Fault("timeout", "too slow"))
        return Observation(1.0, {"CONNECTED": True, "STATUS": 200})

    async def close(self) -> None:
        """Nothing to close."""


def worker(host: Host, redis: Redis) -> Collection:
    return Collection(
        {"http": host},
        clock=lambda: datetime(2026, 11, 21, tzinfo=UTC),
        target_slots=10,
        host_slots=1,
        breaker=Breaker(redis),
    )


def count(readings: list[Reading]) -> Counter[tuple[Outcome, str | None]]:
    return Counter((reading.outcome, reading.code) for reading in readings)


async def test_a_dead_host_costs_a_few_timeouts_and_not_one_a_target(redis: Redis) -> None:
    """Of fifty targets a handful is looked at; the others are said not to have been, and are not called down."""
    host = Host()
    readings = await worker(host, redis).collect_all([TARGET] * 50)
    assert host.looks == THRESHOLD + 1
    assert count(readings) == {(Outcome.DOWN, "timeout"): host.looks, (Outcome.ERROR, "circuit_open"): 50 - host.looks}


async def test_a_recovery_is_seen_by_the_next_look_of_any_worker(redis: Redis) -> None:
    """The look that finds the host well closes the circuit for its own worker at once, for others with their next."""
    host = Host()
    first, second = worker(host, redis), worker(host, redis)
    await first.collect_all([TARGET] * 10)
    host.is_dead = False
    assert (await second.collect(TARGET)).outcome is Outcome.UP
    async for key in redis.scan_iter("tocsin:breaker:*:look"):
        await redis.delete(key)
    assert count(await first.collect_all([TARGET] * 10)) == {(Outcome.UP, None): 10}
