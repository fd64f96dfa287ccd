"""The circuit breaker that workers share."""

import pytest
from redis.asyncio import Redis

from shared.coordination.breaker import THRESHOLD, Breaker, Skip

ENDPOINT = "shop.example:443"


async def open_circuit(breaker: Breaker) -> None:
    for _ in range(THRESHOLD):
        await breaker.note_timeout(ENDPOINT)


async def test_a_circuit_opens_after_timeouts_in_a_row(redis: Redis) -> None:
    """Then one look goes through and the next is told to skip."""
    breaker = Breaker(redis)
    for _ in range(THRESHOLD - 1):
        await breaker.note_timeout(ENDPOINT)
    assert await breaker.ask(ENDPOINT) is None
    await breaker.note_timeout(ENDPOINT)
    assert await breaker.ask(ENDPOINT) is None
    assert await breaker.ask(ENDPOINT) == Skip(THRESHOLD)
    assert await breaker.ask("other.example:443") is None


async def test_an_answer_between_starts_the_count_afresh(redis: Redis) -> None:
    """Only time-outs in a row open a circuit."""
    breaker = Breaker(redis)
    for _ in range(3):
        await breaker.note_timeout(ENDPOINT)
        await breaker.note_timeout(ENDPOINT)
        await breaker.note_answer(ENDPOINT)
    assert [await breaker.ask(ENDPOINT) for _ in range(3)] == [None] * 3


async def test_the_next_look_comes_after_a_while(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open circuit lets one look through per period, so that a recovery is seen."""
    breaker = Breaker(redis)
    await open_circuit(breaker)
    assert await breaker.ask(ENDPOINT) is None
    (look,) = [key async for key in redis.scan_iter("tocsin:breaker:*:look")]
    assert 0 < await redis.pttl(look) <= 5000
    await redis.delete(look)
    assert await breaker.ask(ENDPOINT) is None
    assert await breaker.ask(ENDPOINT) == Skip(THRESHOLD)


async def test_an_answer_closes_the_circuit_at_once(redis: Redis) -> None:
    """A recovery hides for no longer than until the next look."""
    breaker = Breaker(redis)
    await open_circuit(breaker)
    await breaker.note_answer(ENDPOINT)
    assert [await breaker.ask(ENDPOINT) for _ in range(3)] == [None] * 3
    assert [key async for key in redis.scan_iter("tocsin:breaker:*")] == []


async def test_workers_share_a_circuit(redis: Redis) -> None:
    """One time-out of its own tells a worker what the others know; one look in all goes through."""
    first, second = Breaker(redis), Breaker(redis)
    await open_circuit(first)
    assert await second.ask(ENDPOINT) is None
    await second.note_timeout(ENDPOINT)
    answers = [await breaker.ask(ENDPOINT) for breaker in (first, second, first, second)]
    assert answers == [None, *[Skip(THRESHOLD + 1)] * 3]


async def test_as_long_as_nothing_times_out_redis_is_not_asked(redis: Redis) -> None:
    """The breaker costs a healthy target nothing."""
    breaker = Breaker(redis)
    before = (await redis.info("stats"))["total_commands_processed"]
    for _ in range(10):
        assert await breaker.ask(ENDPOINT) is None
        await breaker.note_answer(ENDPOINT)
    assert (await redis.info("stats"))["total_commands_processed"] == before + 1


async def test_without_redis_every_circuit_is_closed() -> None:
    """The breaker never stands in the way."""
    async with Redis.from_url("unix:///nonexistent.sock") as away:
        breaker = Breaker(away)
        await open_circuit(breaker)
        assert await breaker.ask(ENDPOINT) is None
        await breaker.note_answer(ENDPOINT)


async def test_what_is_remembered_is_bounded(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker keeps so many endpoints in mind and no more."""
    monkeypatch.setattr("shared.coordination.breaker.REMEMBERED_ENDPOINTS", 2)
    breaker = Breaker(redis)
    for number in range(4):
        await breaker.note_timeout(f"host:{number}")
    assert list(breaker._suspects) == ["host:2", "host:3"]
