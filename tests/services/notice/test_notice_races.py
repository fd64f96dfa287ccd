"""Alerts change, workers tell and upkeep settles at the same time: nobody waits for ever, nothing is lost."""

import asyncio
from collections import Counter

from notice_bench import NoticeBench
from notice_site import subject

WRITERS = 3
ROUNDS = 6
HOSTS = 8
REMIND_NOW = """
    update alert_groups set remind_at = now() where group_id in (
        select group_id from alert_groups where remind_at is not null order by group_id for no key update skip locked)
"""


async def test_all_at_once_end_in_pairs(notices: NoticeBench) -> None:
    """Each life of each alert is told as firing once, and as resolved once, whatever it raced with."""
    is_over = asyncio.Event()

    async def write(writer: int) -> None:
        for number in range(ROUNDS):
            hosts = [subject(f"{writer}-{number}-{host}", team=f"t{host % 3}") for host in range(HOSTS)]
            fired = await notices.site.fire(*(hosts if number % 2 else hosts[::-1]))
            await notices.site.resolve(*fired[: HOSTS // 2])
            await notices.site.resolve(*fired[HOSTS // 2 :])

    async def tell(owner: str) -> None:
        worker = notices.worker(owner)
        while not is_over.is_set():
            await notices.bench.recovery.promote()
            for ring in await notices.queued():
                await worker.run(ring)

    async def keep() -> None:
        while not is_over.is_set():
            await notices.site.set(REMIND_NOW)
            await notices.upkeep.settle()
            await notices.upkeep.remind()
            await notices.upkeep.recheck()
            await notices.upkeep.wake_idle()
            await notices.escalation.run()

    async with notices.receiving(group_by=["team"]) as receiver:
        async with asyncio.timeout(120), asyncio.TaskGroup() as group:
            others = [group.create_task(each) for each in (tell("one"), tell("two"), keep(), keep())]
            await asyncio.gather(*(write(writer) for writer in range(WRITERS)))
            is_over.set()
            await asyncio.gather(*others)
        await notices.run()
    tellings = await notices.site.tellings()
    assert len(tellings) == WRITERS * ROUNDS * HOSTS
    assert all(telling.is_settled and telling.resolve_notice_id for telling in tellings)
    assert set(receiver.ids.values()) == {1}
    resolved = Counter(host for host, status in receiver.told if status == "resolved")
    assert set(resolved.values()) == {1}
    assert len(resolved) == len(tellings)
    assert set(await notices.states()) <= {"delivered", "empty"}
