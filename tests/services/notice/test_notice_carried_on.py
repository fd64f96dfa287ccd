"""Workers that fall silent while they tell cost a notice its job, and not its life."""

import asyncio

from job_bench import Bench
from notice_bench import NoticeBench
from notice_site import subject

from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.leases import MAX_LOST_ATTEMPTS, ClaimedJob
from shared.domain.job.requeue import RequeueChanges
from shared.domain.notice.notices import CARRIED_ON_FOR
from shared.services.job.requeue import Requeue

AWAY = "503 Service Unavailable"


async def fall_silent(notices: NoticeBench) -> None:
    """Three workers after one another take the notice's job, and are not heard of any more."""
    for number in range(MAX_LOST_ATTEMPTS):
        is_begun = asyncio.Event()

        async def work(_claimed: ClaimedJob, _: ReportProgress, begun: asyncio.Event = is_begun) -> Worked:
            begun.set()
            await asyncio.Event().wait()
            return Worked()

        silent, _ = notices.bench.worker(work, owner=f"silent-{number}")
        [ring] = await notices.due()
        task = asyncio.create_task(silent.run(ring))
        async with asyncio.timeout(30):
            await is_begun.wait()
        await notices.bench.expire_leases()
        assert await notices.bench.recovery.rescue() == 1
        task.cancel()
        await asyncio.wait([task])


async def test_another_job_carries_the_notice_on(notices: NoticeBench) -> None:
    """The first is given up as a crash loop. After a rest the same is told under the same id, then what came since."""
    async with notices.receiving(status=AWAY) as receiver:
        await notices.site.fire(subject("a"))
        await notices.try_all()
        [told] = await notices.site.notices()
        await fall_silent(notices)
        await notices.upkeep.settle()
        [carried] = await notices.site.notices()
        assert (carried.state, carried.job_state) == ("composed", "scheduled")
        assert carried.job_id != told.job_id
        await notices.site.fire(subject("b"))
        receiver.status = "200 OK"
        await notices.run()
    assert receiver.told == [("a", "firing"), ("a", "firing"), ("b", "firing"), ("a", "firing")]
    assert receiver.ids[str(told.notice_id)] == 2
    assert await notices.states() == ["delivered", "delivered"]


async def test_a_notice_is_not_carried_on_for_ever(notices: NoticeBench) -> None:
    """It may be what kills them: half a day later it is a dead letter."""
    async with notices.receiving(status=AWAY):
        await notices.site.fire(subject("a"))
        await notices.try_all()
        await fall_silent(notices)
        await notices.site.set("update notices set flush_at = flush_at - $1::interval", CARRIED_ON_FOR)
        await notices.upkeep.settle()
    assert await notices.states() == ["failed"]


async def test_a_job_that_somebody_ran_anew_carries_the_notice_alone(notices: NoticeBench, bench: Bench) -> None:
    """Upkeep makes no second one beside it."""
    async with notices.receiving(status=AWAY) as receiver:
        await notices.site.fire(subject("a"))
        await notices.try_all()
        await fall_silent(notices)
        [told] = await notices.site.notices()
        requeue = Requeue(bench.database, bench.announcer)
        await requeue.requeue(told.job_id, principal_id="tester", changes=RequeueChanges())
        await notices.upkeep.settle()
        assert await notices.states() == ["failed"]
        receiver.status = "200 OK"
        await notices.run()
    assert list(receiver.ids.values()) == [2]
    assert await notices.states() == ["delivered"]
