"""A target has one series, whoever asks for it first."""

import asyncio

from sample_data import entry

from shared.storage.database import Database
from shared.storage.sample.series_store import SeriesDirectory


async def test_a_target_keeps_its_series(database: Database) -> None:
    """The same entry resolves to the same id, in this process and in another; others to others."""
    first = await SeriesDirectory(database).resolve([entry("a"), entry("b"), entry("a")])
    again = await SeriesDirectory(database).resolve([entry("b"), entry("a")])
    assert first == [again[1], again[0], again[1]]
    assert len(set(first)) == 2


async def test_processes_that_make_the_same_series_at_once_agree(database: Database) -> None:
    """In whatever order they name them."""
    entries = [entry(f"s{number}") for number in range(50)]
    one, other = await asyncio.gather(
        SeriesDirectory(database).resolve(entries), SeriesDirectory(database).resolve(entries[::-1])
    )
    assert one == other[::-1]
    assert len(set(one)) == 50


async def test_what_was_forgotten_is_found_again(database: Database) -> None:
    """The memory is bounded; a batch larger than it still resolves."""
    directory = SeriesDirectory(database, capacity=2)
    entries = [entry(f"s{number}") for number in range(5)]
    assert await directory.resolve(entries) == await directory.resolve(entries)


async def test_resolving_again_uses_up_no_ids(database: Database) -> None:
    """A process that restarts asks for all of its series; the sequence of int4 must not run out of that."""
    await SeriesDirectory(database).resolve([entry("a")])
    for _ in range(3):
        await SeriesDirectory(database).resolve([entry("a")])
    (new,) = await SeriesDirectory(database).resolve([entry("b")])
    (old,) = await SeriesDirectory(database).resolve([entry("a")])
    assert new == old + 1


async def test_labels_and_name_are_kept(database: Database) -> None:
    """As they were when the series was made."""
    await SeriesDirectory(database).resolve([entry("a", kind="file", team="web", tier="1")])
    async with database.transaction() as work:
        rows = await work.fetch("select kind, name, labels from series")
    assert [tuple(row) for row in rows] == [("file", "a", {"team": "web", "tier": "1"})]
