"""What was given up is told anew, under the id it had, and never leaves an alert open at the receiver."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from notice_bench import NoticeBench, Receiver
from notice_site import subject
from uuid_utils.compat import uuid7

from shared.domain.notice.redelivery import DeadLetter, RedeliveryFilter, Refusal
from shared.services.notice.redelivery import NotRedelivered, Redelivered, Redelivery

ALL = RedeliveryFilter()


@pytest.fixture
def redelivery(notices: NoticeBench) -> Redelivery:
    return Redelivery(notices.bench.database, notices.bench.announcer)


@asynccontextmanager
async def dead_letters(notices: NoticeBench, *hosts: str) -> AsyncIterator[Receiver]:
    """A receiver that refused the firing of each host for good, each a group of its own; now it takes all."""
    async with notices.receiving(status="400 Bad Request", group_by=["host"]) as receiver:
        for host in hosts:
            await notices.site.fire(subject(host))
        await notices.run()
        assert await notices.states() == ["failed"] * len(hosts)
        receiver.status = "200 OK"
        yield receiver


async def only_notice(notices: NoticeBench) -> UUID:
    [notice] = await notices.site.notices()
    return UUID(str(notice.notice_id))


async def test_a_dead_letter_is_told_anew_under_its_id(notices: NoticeBench, redelivery: Redelivery) -> None:
    """In the same words, by a job of its own; and only once."""
    async with dead_letters(notices, "a") as receiver:
        notice_id = await only_notice(notices)
        assert isinstance(await redelivery.redeliver(notice_id, by="ann"), DeadLetter)
        again = await redelivery.redeliver(notice_id, by="ann")
        assert isinstance(again, NotRedelivered)
        assert again.refusal is Refusal.STATE
        await notices.run()
    assert receiver.ids == {str(notice_id): 2}
    assert receiver.seen[0].body == receiver.seen[1].body
    assert await notices.states() == ["delivered"]
    assert await redelivery.redeliver(uuid7(), by="ann") is None


async def test_a_firing_told_behind_its_resolve_is_resolved_once_more(
    notices: NoticeBench, redelivery: Redelivery
) -> None:
    """The receiver is never left with an alert that is over."""
    async with dead_letters(notices, "a") as receiver:
        notice_id = await only_notice(notices)
        [telling] = await notices.site.tellings()
        await notices.site.resolve(telling.alert_id)
        await notices.run()
        assert receiver.told[1:] == [("a", "resolved")]
        await redelivery.redeliver(notice_id, by="ann")
        assert not await notices.is_settled(telling.alert_id)
        await notices.run()
    assert receiver.told[1:] == [("a", "resolved"), ("a", "firing"), ("a", "resolved")]
    assert await notices.is_settled(telling.alert_id)
    assert await notices.states() == ["delivered"] * 3


async def test_of_a_group_one_notice_is_on_its_way(notices: NoticeBench, redelivery: Redelivery) -> None:
    """A dead letter waits for the end of the group's notice that is not given up."""
    async with dead_letters(notices, "a"):
        notice_id = await only_notice(notices)
        [telling] = await notices.site.tellings()
        await notices.site.resolve(telling.alert_id)
        refused = await redelivery.redeliver(notice_id, by="ann")
        assert isinstance(refused, NotRedelivered)
        assert refused.refusal is Refusal.GROUP_BUSY
        assert await redelivery.redeliver_all(ALL, by="ann") == Redelivered(0, has_more=True)
        await notices.run()
        assert await redelivery.redeliver_all(ALL, by="ann") == Redelivered(1, has_more=False)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [("disabled_at = now()", Refusal.CHANNEL_DISABLED), ("deleted_at = now()", Refusal.CHANNEL_DELETED)],
)
async def test_a_channel_that_is_not_told_gets_nothing_anew(
    notices: NoticeBench, redelivery: Redelivery, change: str, refusal: Refusal
) -> None:
    """Until it is enabled; by filter its notices are passed by."""
    async with dead_letters(notices, "a"):
        await notices.site.set(f"update channels set {change}")
        refused = await redelivery.redeliver(await only_notice(notices), by="ann")
        assert isinstance(refused, NotRedelivered)
        assert refused.refusal is refusal
        assert await redelivery.redeliver_all(ALL, by="ann") == Redelivered(0, has_more=False)


async def test_dead_letters_are_told_anew_by_filter_and_in_portions(
    notices: NoticeBench, redelivery: Redelivery
) -> None:
    """By channel and by when they were given up; `has_more` says that others are left."""
    async with dead_letters(notices, "a", "b", "c") as receiver:
        [channel] = await notices.site.rows("select channel_id from channels")
        ended = [notice.ended_at for notice in await notices.site.notices()]
        nothing = RedeliveryFilter(channel_id=uuid7())
        assert await redelivery.redeliver_all(nothing, by="ann") == Redelivered(0, has_more=False)
        assert await redelivery.redeliver_all(RedeliveryFilter(until=min(ended)), by="ann") == Redelivered(0, False)
        wanted = RedeliveryFilter(channel.channel_id, since=min(ended))
        assert await redelivery.redeliver_all(wanted, by="ann", limit=2) == Redelivered(2, has_more=True)
        assert await redelivery.redeliver_all(wanted, by="ann", limit=2) == Redelivered(1, has_more=False)
        await notices.run()
    assert sorted(receiver.told[3:]) == [("a", "firing"), ("b", "firing"), ("c", "firing")]
    assert set(receiver.ids.values()) == {2}


async def test_a_dead_letter_outlives_its_job(notices: NoticeBench, redelivery: Redelivery) -> None:
    """Jobs are kept for days, notices for longer; the id stays the notice's."""
    async with dead_letters(notices, "a") as receiver:
        await notices.site.set("delete from jobs")
        await redelivery.redeliver(await only_notice(notices), by="ann")
        await notices.run()
    assert await notices.states() == ["delivered"]
    assert set(receiver.ids.values()) == {2}
