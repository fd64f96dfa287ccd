"""Whatever is cut off between two steps, notices go on: under the same id, with the same content, and nothing lost."""

import asyncio
from uuid import UUID

import pytest
from job_bench import Bench
from notice_bench import NoticeBench
from notice_site import subject

from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.leases import ClaimedJob
from shared.domain.job.requeue import RequeueChanges
from shared.services.job.requeue import Requeue
from shared.services.notice.composition import Composition


async def compose(notices: NoticeBench) -> None:
    """The first step of the latest notice's first try, after which its worker is gone."""
    [*_, notice] = await notices.site.notices()
    async with notices.bench.database.transaction() as work:
        await Composition(work).prepare(notice.notice_id, job_id=notice.job_id)


async def cancel_latest(notices: NoticeBench) -> None:
    """Cancel the job of the latest notice, as a person would."""
    [*_, notice] = await notices.site.notices()
    await notices.bench.control.cancel(notice.job_id)


async def run_anew(bench: Bench, job_id: UUID) -> UUID:
    """Run a job anew, as a person would; the id of the new one."""
    requeue = Requeue(bench.database, bench.announcer)
    answer = await requeue.requeue(job_id, principal_id="tester", changes=RequeueChanges())
    assert answer.job is not None
    return answer.job.job_id


async def test_a_worker_killed_between_composing_and_sending_changes_nothing(notices: NoticeBench) -> None:
    """What was frozen is sent, though another alert has fired and the first one has resolved meanwhile."""
    async with notices.receiving() as receiver:
        [alert_id] = await notices.site.fire(subject("a"))
        await compose(notices)
        await notices.site.fire(subject("b"))
        await notices.site.resolve(alert_id)
        await notices.run()
    assert receiver.told == [("a", "firing"), ("b", "firing"), ("a", "resolved")]
    assert list(receiver.ids.values()) == [1, 1]


async def test_a_worker_killed_between_sending_and_recording_repeats_the_same(notices: NoticeBench) -> None:
    """The second worker sends the same bytes under the same id, and the first one's late end is fenced."""
    is_stuck = asyncio.Event()

    async def work(claimed: ClaimedJob, _: ReportProgress) -> Worked:
        [notice] = await notices.site.notices()
        worked = await notices.notices.tell(claimed, notice.notice_id)
        is_stuck.set()
        await asyncio.Event().wait()
        return worked

    async with notices.receiving() as receiver:
        await notices.site.fire(subject("a"))
        lost, _ = notices.bench.worker(work, owner="lost")
        [ring] = await notices.due()
        task = asyncio.create_task(lost.run(ring))
        async with asyncio.timeout(30):
            await is_stuck.wait()
        await notices.bench.expire_leases()
        assert await notices.bench.recovery.rescue() == 1
        await notices.run()
        task.cancel()
        await asyncio.wait([task])
    first, second = receiver.seen
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert await notices.states() == ["delivered"]


async def test_two_workers_with_the_same_notice_compose_it_once(notices: NoticeBench) -> None:
    """Both find the same content, whichever of them composed it."""
    await notices.site.channel()
    await notices.site.fire(subject("a"))
    [notice] = await notices.site.notices()

    async def prepare() -> object:
        async with notices.bench.database.transaction() as work:
            ready = await Composition(work).prepare(notice.notice_id, job_id=notice.job_id)
            return ready and ready.content

    async with asyncio.timeout(30):
        first, second = await asyncio.gather(prepare(), prepare())
    assert first == second is not None


async def test_a_resolve_whose_notice_was_cancelled_is_owed_again(notices: NoticeBench) -> None:
    """A person may stop a notice, but not the resolve of a firing that went out."""
    async with notices.receiving() as receiver:
        [alert_id] = await notices.site.fire(subject("a"))
        await notices.run()
        receiver.status = "503 Service Unavailable"
        await notices.site.resolve(alert_id)
        await notices.try_all()
        assert await notices.is_settled(alert_id)
        await cancel_latest(notices)
        await notices.upkeep.settle()
        assert not await notices.is_settled(alert_id)
        receiver.status = "200 OK"
        await notices.run()
    assert await notices.states() == ["delivered", "cancelled", "delivered"]
    assert receiver.told[-1] == ("a", "resolved")
    assert await notices.is_settled(alert_id)


async def test_what_a_cancelled_notice_never_told_is_told_later(notices: NoticeBench) -> None:
    """It was cancelled before it was composed; the next one keeps the interval of rest."""
    async with notices.receiving(group_interval="10m") as receiver:
        await notices.site.fire(subject("a"))
        await cancel_latest(notices)
        await notices.upkeep.settle()
        rows = await notices.site.rows("select extract(epoch from flush_at - created_at)::int as s, state from notices")
        assert [(row.state, row.s) for row in rows] == [("cancelled", 0), ("waiting", 600)]
        await notices.run()
    assert receiver.told == [("a", "firing")]


async def test_a_notice_whose_job_is_gone_is_a_dead_letter_and_its_resolve_is_owed(notices: NoticeBench) -> None:
    """Somebody deleted the row by hand: the group goes on."""
    async with notices.receiving() as receiver:
        [alert_id] = await notices.site.fire(subject("a"))
        await notices.run()
        await notices.site.resolve(alert_id)
        await compose(notices)
        await notices.site.set("delete from jobs where finished_at is null")
        await notices.run()
    assert await notices.states() == ["delivered", "failed", "delivered"]
    assert receiver.told == [("a", "firing"), ("a", "resolved")]


@pytest.mark.parametrize("change", ["delete from notices", "update alert_groups set notice_id = null"])
async def test_a_group_that_lost_its_notice_is_given_another(notices: NoticeBench, change: str) -> None:
    """Rows were changed by hand: what is owed is told all the same, and once."""
    async with notices.receiving() as receiver:
        await notices.site.fire(subject("a"))
        await notices.site.set("delete from jobs")
        await notices.site.set(change)
        assert await notices.upkeep.wake_idle() == 1
        assert await notices.upkeep.wake_idle() == 0
        await notices.run()
    assert receiver.told == [("a", "firing")]


async def test_a_dead_letter_whose_job_is_run_anew_goes_out_under_its_id(notices: NoticeBench, bench: Bench) -> None:
    """The new job carries the notice, which ends as its job does."""
    async with notices.receiving(status="400 Bad Request") as receiver:
        await notices.site.fire(subject("a"))
        await notices.run()
        receiver.status = "200 OK"
        [notice] = await notices.site.notices()
        await run_anew(bench, notice.job_id)
        await notices.run()
    assert list(receiver.ids.values()) == [2]
    assert await notices.states() == ["delivered"]


async def test_a_firing_run_anew_after_its_resolve_has_it_told_again(notices: NoticeBench, bench: Bench) -> None:
    """Whoever runs the job of an old dead letter anew leaves no receiver with an alert that fires for ever."""
    async with notices.receiving(status="400 Bad Request") as receiver:
        [alert_id] = await notices.site.fire(subject("a"))
        await notices.run()
        receiver.status = "200 OK"
        await notices.site.resolve(alert_id)
        await notices.run()
        [letter, _] = await notices.site.notices()
        await run_anew(bench, letter.job_id)
        await notices.run()
    assert receiver.told == [("a", "firing"), ("a", "resolved"), ("a", "firing"), ("a", "resolved")]
    assert await notices.is_settled(alert_id)


async def test_a_notice_run_anew_waits_for_the_one_on_its_way(notices: NoticeBench, bench: Bench) -> None:
    """Of a group one notice is on its way at a time, so that nothing arrives in the wrong order."""
    async with notices.receiving(status="400 Bad Request") as receiver:
        await notices.site.fire(subject("a"))
        await notices.run()
        receiver.status = "503 Service Unavailable"
        await notices.site.fire(subject("b"))
        await notices.try_all()
        [letter, _] = await notices.site.notices()
        await run_anew(bench, letter.job_id)
        await notices.try_all()
        assert [notice.state for notice in await notices.site.notices()] == ["failed", "composed"]
        receiver.status = "200 OK"
        await notices.run()
    assert await notices.states() == ["delivered", "delivered"]


async def test_what_was_delivered_is_not_sent_again_by_its_job(notices: NoticeBench, bench: Bench) -> None:
    """Running the job anew tells nothing."""
    async with notices.receiving() as receiver:
        await notices.site.fire(subject("a"))
        await notices.run()
        [notice] = await notices.site.notices()
        job_id = await run_anew(bench, notice.job_id)
        await notices.run()
    assert (await bench.job(job_id)).result == {"told": 0}
    assert len(receiver.seen) == 1


async def test_edits_of_the_channel_lose_no_resolve(notices: NoticeBench) -> None:
    """Other matchers and another grouping: the resolve goes where the firing went."""
    async with notices.receiving(matchers="host=a") as receiver:
        [alert_id] = await notices.site.fire(subject("a", channels=[]))
        await notices.run()
        await notices.site.set(
            """
            update channels set matchers = 'host=b',
                                options = options || '{"matchers": "host=b", "group_by": ["host"]}'
            """
        )
        await notices.site.resolve(alert_id)
        await notices.run()
    assert receiver.told == [("a", "firing"), ("a", "resolved")]


async def test_settling_from_two_sides_makes_one_next_notice(notices: NoticeBench) -> None:
    """Two workers that find the same end go on with the group once."""
    async with notices.receiving():
        await notices.site.fire(subject("a"))
        await notices.try_all()
        await notices.site.fire(subject("b"))
        async with asyncio.timeout(30):
            assert sorted(await asyncio.gather(*(notices.upkeep.settle() for _ in range(4)))) == [0, 0, 0, 1]
    assert await notices.states() == ["delivered", "waiting"]
