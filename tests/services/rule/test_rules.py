"""Changes to rules, several at once."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from secret_keys import VAULT
from uuid_utils.compat import uuid7

from shared.domain.change_results import Deleted, Done, Made, NameTaken, TooMany
from shared.domain.channel.channel_changes import ChannelInUse, CreateChannel, DeleteChannel
from shared.domain.rule.rule_changes import CreateRule, InvalidRule, PutRule
from shared.domain.rule.rule_documents import RuleDocument
from shared.services.channel.channels import Channels
from shared.services.rule import rules as rule_service
from shared.services.rule.rules import Rules
from shared.storage.database import Database

KEPT = timedelta(days=400)


def _document(name: str, *channels: str) -> RuleDocument:
    return RuleDocument(name=name, expression="state == down", channels=list(channels))


async def test_of_many_that_make_one_rule_one_does(database: Database) -> None:
    """The others are told who was first; nothing fails, and nothing is made twice."""
    rules = Rules(database, kept=KEPT)
    results = await asyncio.gather(
        *(rules.change(CreateRule(uuid7(), _document("down")), by="tests") for _ in range(5)),
        *(rules.change(PutRule(uuid7(), _document("down")), by="tests") for _ in range(5)),
    )
    made = [result.item_id for result in results if isinstance(result, Made)]
    assert len(made) == 1
    others = {result.item_id for result in results if isinstance(result, Done)}
    others |= {result.holder_id for result in results if isinstance(result, NameTaken)}
    assert others == set(made)


async def test_many_at_once_do_not_pass_the_bound(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are as many rules as there may be, and no more."""
    monkeypatch.setattr(rule_service, "MAX_RULES", 3)
    rules = Rules(database, kept=KEPT)
    results = await asyncio.gather(
        *(rules.change(CreateRule(uuid7(), _document(f"rule {number}")), by="tests") for number in range(8))
    )
    assert sum(isinstance(result, Done) for result in results) == 3
    assert sum(isinstance(result, TooMany) for result in results) == 5


async def test_no_rule_names_a_channel_that_is_gone(database: Database) -> None:
    """A channel is deleted while rules that name it are made: it is refused, or they are."""
    rules, channels = Rules(database, kept=KEPT), Channels(database, VAULT, tell=lambda _: None)
    for number in range(10):
        name = f"ops {number}"
        channel_id: UUID = uuid7()
        document = {"name": name, "kind": "email", "to": ["ops@example.org"]}
        assert isinstance(await channels.change(CreateChannel(channel_id, document), by="tests"), Done)
        made, deleted = await asyncio.gather(
            rules.change(CreateRule(uuid7(), _document(f"rule {number}", name)), by="tests"),
            channels.change(DeleteChannel(channel_id), by="tests"),
        )
        assert (type(made), type(deleted)) in {(Made, ChannelInUse), (InvalidRule, Deleted)}
