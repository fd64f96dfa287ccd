"""When somebody listened for pings."""

import asyncio
from datetime import UTC, datetime, timedelta

from shared.storage.database import Database
from shared.storage.heartbeat.listening_store import ListeningStore

MINUTE = timedelta(minutes=1)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


async def note(database: Database) -> None:
    async with database.one_statement() as work:
        await ListeningStore(work).note()


async def hear_until(database: Database, moment: datetime) -> None:
    async with database.transaction() as work:
        await work.run("update listening set heard_at = $1", moment)


async def deaf_spans(database: Database, *, since: datetime = LONG_AGO) -> list[tuple[datetime, datetime]]:
    async with database.transaction() as work:
        return list((await ListeningStore(work).read(since=since)).ears.deaf)


async def test_a_new_installation_was_never_deaf(database: Database) -> None:
    """Nobody could have pinged it before."""
    async with database.transaction() as work:
        assert (await ListeningStore(work).read(since=LONG_AGO)).ears.heard_at is None
    await note(database)
    async with database.transaction() as work:
        heard = await ListeningStore(work).read(since=LONG_AGO)
    assert heard.ears.heard_at is not None
    assert heard.now - MINUTE < heard.ears.heard_at <= heard.now
    assert heard.ears.deaf == []


async def test_a_long_absence_is_written_down_once_by_whoever_comes_back(database: Database) -> None:
    """Several processes may come back at the same moment."""
    await note(database)
    left_at = datetime.now(UTC).replace(microsecond=0) - 5 * MINUTE
    await hear_until(database, left_at)
    await asyncio.gather(*(note(database) for _ in range(4)))
    ((start, end),) = await deaf_spans(database)
    assert start == left_at
    assert end - left_at >= 5 * MINUTE
    assert await deaf_spans(database, since=end) == []


async def test_a_short_absence_is_not_written_down(database: Database) -> None:
    """Clients are expected to try again."""
    await note(database)
    await hear_until(database, datetime.now(UTC) - timedelta(seconds=5))
    await note(database)
    assert await deaf_spans(database) == []


async def test_what_is_older_than_any_wait_is_forgotten(database: Database) -> None:
    """A period and a grace take 397 days together at most."""
    old = datetime.now(UTC) - timedelta(days=500)
    async with database.transaction() as work:
        await work.run(
            "insert into deaf_spans values ($1, $2), ($3, $4)", old, old + MINUTE, LONG_AGO, LONG_AGO + MINUTE
        )
    await note(database)
    assert await deaf_spans(database, since=old - MINUTE) == [(LONG_AGO, LONG_AGO + MINUTE)]
