"""Channels that several people change at once."""

import asyncio
from typing import Any

import msgspec
import pytest
from secret_keys import VAULT
from uuid_utils.compat import uuid7

from shared.domain.change_results import Changed, Done, Made, NameTaken, Unchanged, VersionDiffers
from shared.domain.channel.channel_changes import ChannelInUse, CreateChannel, DeleteChannel, PatchChannel, PutChannel
from shared.services.channel.channels import Channels
from shared.storage.channel.channel_store import ChannelStore
from shared.storage.database import Database

MAIL: dict[str, Any] = {"name": "ops", "kind": "email", "to": ["ops@example.org"]}
PATIENCE_SECONDS = 30


@pytest.fixture
def channels(database: Database) -> Channels:
    return Channels(database, VAULT, tell=lambda _: None)


async def until_somebody_waits(database: Database) -> None:
    """Until a statement waits for a lock."""
    waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with database.transaction() as work:
                if await work.fetch(waiting):
                    return


async def test_of_those_who_make_a_name_at_once_one_does(channels: Channels) -> None:
    """The others are told who did; with PUT all of them mean the one channel."""
    results = await asyncio.gather(*(channels.change(CreateChannel(uuid7(), MAIL), by="ann") for _ in range(5)))
    (made,) = [result for result in results if isinstance(result, Done)]
    assert [result for result in results if result != made] == [NameTaken(made.item_id)] * 4
    other = MAIL | {"name": "dev"}
    puts = await asyncio.gather(*(channels.change(PutChannel(uuid7(), other), by="ann") for _ in range(5)))
    done = [each for each in puts if isinstance(each, Done)]
    assert len({each.item_id for each in done}) == 1
    assert sorted(map(type, done), key=str) == [Made, *[Unchanged] * 4]


async def test_of_two_who_change_one_version_one_does(channels: Channels) -> None:
    """The other is told the version that there is now."""
    made = await channels.change(CreateChannel(uuid7(), MAIL), by="ann")
    assert isinstance(made, Done)
    patches = [{"group_wait": "1s"}, {"group_wait": "2s"}]
    results = await asyncio.gather(
        *(channels.change(PatchChannel(made.item_id, patch, frozenset({1})), by="ann") for patch in patches)
    )
    assert sorted(map(type, results), key=str) == [Changed, VersionDiffers]
    assert VersionDiffers(2) in results


@pytest.mark.parametrize("named", [["ops"], []])
async def test_a_channel_that_a_rule_is_about_to_name_waits_to_be_deleted(
    channels: Channels, database: Database, named: list[str]
) -> None:
    """Whoever writes the rule holds the name; what comes of it decides."""
    made = await channels.change(CreateChannel(uuid7(), MAIL), by="ann")
    assert isinstance(made, Done)
    async with database.transaction() as work:
        assert await ChannelStore(work).hold_names(["ops", "nobody"]) == {"ops"}
        deleting = asyncio.create_task(channels.change(DeleteChannel(made.item_id), by="ann"))
        await until_somebody_waits(database)
        await work.run(
            "insert into alert_rules (rule_id, name, spec, created_by) values ($1, 'slow', $2::text::jsonb, 'ann')",
            uuid7(),
            msgspec.json.encode({"channels": named}).decode(),
        )
    result = await deleting
    assert isinstance(result, ChannelInUse if named else Done)
    async with database.transaction() as work:
        assert await ChannelStore(work).hold_names(["ops"]) == set(named)
