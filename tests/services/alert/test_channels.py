"""Channels that several people change at once."""

import asyncio
from typing import Any

import msgspec
import pytest
from secret_keys import VAULT
from uuid_utils.compat import uuid7

from shared.domain.alert.channel_changes import (
    ChannelDone,
    ChannelInUse,
    ChannelNameTaken,
    ChannelVersionDiffers,
    CreateChannel,
    DeleteChannel,
    PatchChannel,
    PutChannel,
)
from shared.services.alert.channels import Channels
from shared.storage.alert.channel_store import ChannelStore
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
    (made,) = [result for result in results if isinstance(result, ChannelDone)]
    assert [result for result in results if result != made] == [ChannelNameTaken(made.channel_id)] * 4
    other = MAIL | {"name": "dev"}
    puts = await asyncio.gather(*(channels.change(PutChannel(uuid7(), other), by="ann") for _ in range(5)))
    done = [each for each in puts if isinstance(each, ChannelDone)]
    assert len({each.channel_id for each in done}) == 1
    assert sorted(each.is_new for each in done) == [False] * 4 + [True]


async def test_of_two_who_change_one_version_one_does(channels: Channels) -> None:
    """The other is told the version that there is now."""
    made = await channels.change(CreateChannel(uuid7(), MAIL), by="ann")
    assert isinstance(made, ChannelDone)
    patches = [{"group_wait": "1s"}, {"group_wait": "2s"}]
    results = await asyncio.gather(
        *(channels.change(PatchChannel(made.channel_id, patch, frozenset({1})), by="ann") for patch in patches)
    )
    assert sorted(map(type, results), key=str) == [ChannelDone, ChannelVersionDiffers]
    assert ChannelVersionDiffers(2) in results


@pytest.mark.parametrize("named", [["ops"], []])
async def test_a_channel_that_a_rule_is_about_to_name_waits_to_be_deleted(
    channels: Channels, database: Database, named: list[str]
) -> None:
    """Whoever writes the rule holds the name; what comes of it decides."""
    made = await channels.change(CreateChannel(uuid7(), MAIL), by="ann")
    assert isinstance(made, ChannelDone)
    async with database.transaction() as work:
        assert await ChannelStore(work).hold_names(["ops", "nobody"]) == {"ops"}
        deleting = asyncio.create_task(channels.change(DeleteChannel(made.channel_id), by="ann"))
        await until_somebody_waits(database)
        await work.run(
            "insert into alert_rules (rule_id, name, spec, created_by) values ($1, 'slow', $2::text::jsonb, 'ann')",
            uuid7(),
            msgspec.json.encode({"channels": named}).decode(),
        )
    result = await deleting
    assert isinstance(result, ChannelInUse if named else ChannelDone)
    async with database.transaction() as work:
        assert await ChannelStore(work).hold_names(["ops"]) == set(named)
