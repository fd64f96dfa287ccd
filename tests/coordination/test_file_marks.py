"""Marks of files in Redis."""

import pytest
from redis.asyncio import Redis

from shared.coordination.file_marks import MarksInRedis
from shared.domain.target.file_marks import FileMark, MarksUnavailableError

MARK = FileMark(inode=7, offset=120, size=130, beginning="ab")


async def test_a_mark_is_found_again(redis: Redis) -> None:
    """What was kept is what is found, and it ends some day."""
    marks = MarksInRedis(redis, machine="a")
    assert await marks.find("key") is None
    await marks.keep("key", MARK)
    assert await marks.find("key") == MARK
    assert 0 < await redis.ttl("tocsin:file:a:key") <= 30 * 86_400


async def test_machines_have_marks_of_their_own(redis: Redis) -> None:
    """The same path is another file elsewhere."""
    await MarksInRedis(redis, machine="a").keep("key", MARK)
    assert await MarksInRedis(redis, machine="b").find("key") is None


async def test_an_unreadable_mark_counts_as_none(redis: Redis) -> None:
    """Whatever lies there, a look goes on."""
    await redis.set("tocsin:file:a:key", b"garbage")
    assert await MarksInRedis(redis, machine="a").find("key") is None


async def test_without_redis_it_says_so() -> None:
    """The collector decides what that means."""
    async with Redis.from_url("unix:///nonexistent.sock") as away:
        marks = MarksInRedis(away, machine="a")
        with pytest.raises(MarksUnavailableError, match="Redis"):
            await marks.find("key")
        with pytest.raises(MarksUnavailableError, match="Redis"):
            await marks.keep("key", MARK)
