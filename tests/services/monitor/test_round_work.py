"""Rounds: each slot is looked at once, at its moment, and recorded at once, whatever happens meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from job_bench import Bench, ring_of
from round_site import RoundSite, add_monitor, slot_now

from shared.clock import utc_now
from shared.domain.job.jobs import AttemptOutcome, Job, JobState
from shared.domain.live import SampleTold, StateTold
from shared.domain.monitor.beats import Beat, unpack_beats
from shared.domain.monitor.slots import Visit
from shared.domain.monitor.standing import MonitorState
from shared.domain.target.observation import Fault, Observation
from shared.domain.target.outcome import Outcome
from shared.services.monitor import recorder
from shared.vault import Vault, new_key

DAY = timedelta(days=1)
MS, SECOND = timedelta(milliseconds=1), timedelta(seconds=1)

WELL = Observation(1.5, {"EXISTS": True, "SIZE": 7.0}, {"size_bytes": 7.0})
GONE = Observation(0.5, {"EXISTS": False}, {}, Fault("not_found", "it is gone"))


class Files:
    """A collector whose answers the test gives by path; what it does not name is well."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[], Awaitable[Observation]]] = {}
        self.looks: list[str] = []

    async def collect(self, target: Any) -> Observation:
        self.looks.append(target.path)
        answer = self.answers.get(target.path)
        return await answer() if answer else WELL

    async def close(self) -> None:
        """Nothing is open."""

    def say(self, path: str, observation: Observation) -> None:
        """Let a file be seen like this."""

        async def answer() -> Observation:
            return observation

        self.answers[path] = answer


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def site(bench: Bench, files: Files) -> RoundSite:
    return RoundSite(bench, {"file": files})


def file(path: str) -> dict[str, str]:
    return {"kind": "file", "path": path}


async def test_a_look_is_kept_under_its_slot(site: RoundSite) -> None:
    """The sample, the state, its timeline, the beats and what is told live come of one look."""
    monitor_id = await add_monitor(site.bench.database, file("/a"))
    slot = slot_now(0.2)
    result = await site.run([Visit(monitor_id, 1, slot)])
    assert result == {"up": 1, "degraded": 0, "down": 0, "error": 0, "missed": 0}
    (sample,) = await site.rows("select ts, value, outcome, extras[1], extras[6] from sample")
    assert sample[:4] == (slot, 1.5, 0, 7.0)
    assert 0 <= sample[4] < 5000
    assert await site.rows("select state, sampled_at, length(beats) from monitor_states") == [(0, slot, 9)]
    assert await site.rows("select state from state_spans order by started_at") == [(4,), (0,)]
    assert site.told == [
        SampleTold(monitor_id, slot, Outcome.UP, 1.5),
        StateTold(monitor_id, slot, MonitorState.UP),
    ]


async def test_a_slow_target_holds_up_no_other(site: RoundSite, files: Files) -> None:
    """What the others found is recorded while it is still waited for."""
    gate = asyncio.Event()

    async def wait() -> Observation:
        await gate.wait()
        return GONE

    files.answers["/slow"] = wait
    slow, fast = [await add_monitor(site.bench.database, file(path)) for path in ("/slow", "/fast")]
    slot = slot_now()
    running = asyncio.create_task(site.run([Visit(slow, 1, slot), Visit(fast, 1, slot)]))
    await site.until_told(fast)
    assert (await site.state(fast), await site.state(slow)) == ("up", "pending")
    gate.set()
    assert (await running)["down"] == 1
    assert await site.state(slow) == "down"
    assert await site.rows("select code, message from sample_note") == [("not_found", "it is gone")]


async def test_news_wait_for_no_pace(site: RoundSite, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that is down is written at once, though the flush before was a moment ago."""
    monkeypatch.setattr(recorder, "PACE_SECONDS", 3600.0)
    gate, files.answers["/slow"] = gated(GONE)
    slow, fast = [await add_monitor(site.bench.database, file(path)) for path in ("/slow", "/fast")]
    slot = slot_now()
    running = asyncio.create_task(site.run([Visit(slow, 1, slot), Visit(fast, 1, slot)]))
    await site.until_told(fast)
    gate.set()
    async with asyncio.timeout(60):
        assert (await running)["down"] == 1


def gated(observation: Observation) -> tuple[asyncio.Event, Callable[[], Awaitable[Observation]]]:
    """An answer that is waited for."""
    gate = asyncio.Event()

    async def wait() -> Observation:
        await gate.wait()
        return observation

    return gate, wait


async def rescued(site: RoundSite, job: Job) -> Job:
    """The round queued again, its worker's lease being over."""
    await site.bench.expire_leases()
    assert await site.bench.recovery.rescue() == 1
    again = await site.bench.job(job.job_id)
    assert (again.state, again.dispatch_no) == (JobState.QUEUED, 2)
    return again


async def test_a_round_run_again_looks_only_at_what_is_left(site: RoundSite, files: Files) -> None:
    """What the first worker recorded stays; what it finds after its lease was lost is thrown away."""
    gate, files.answers["/slow"] = gated(GONE)
    slow, fast = [await add_monitor(site.bench.database, file(path)) for path in ("/slow", "/fast")]
    slot = slot_now()
    job = await site.submitted([Visit(slow, 1, slot), Visit(fast, 1, slot)])
    first, _ = site.worker("first")
    running = asyncio.create_task(first.run(ring_of(job)))
    await site.until_told(fast)
    again = await rescued(site, job)
    del files.answers["/slow"]
    second, _ = site.worker("second")
    assert await second.run(ring_of(again, 2)) is AttemptOutcome.SUCCEEDED
    gate.set()
    assert await running is AttemptOutcome.FENCED
    assert sorted(files.looks) == ["/fast", "/slow", "/slow"]
    assert await site.sampled() == {(slow, slot): 1, (fast, slot): 1}
    assert [await site.state(each) for each in (slow, fast)] == ["up", "up"]


async def test_without_the_lease_nothing_more_is_written(site: RoundSite, files: Files) -> None:
    """Neither a sample nor a state nor a gap of what was looked at before it was lost."""
    gate, files.answers["/slow"] = gated(GONE)
    slow, fast, late = [await add_monitor(site.bench.database, file(path)) for path in ("/slow", "/fast", "/slow")]
    slot = slot_now()
    job = await site.submitted([Visit(slow, 1, slot), Visit(fast, 1, slot), Visit(late, 1, slot)])
    execution, _ = site.worker()
    running = asyncio.create_task(execution.run(ring_of(job)))
    await site.until_told(fast)
    await rescued(site, job)
    async with site.bench.database.transaction() as work:
        await work.run("update monitor_states set state = 5 where monitor_id = $1", late)
    gate.set()
    assert await running is AttemptOutcome.FENCED
    assert await site.sampled() == {(fast, slot): 1}
    assert [await site.state(each) for each in (slow, late)] == ["pending", "paused"]
    assert await site.gaps() == []


async def test_a_slot_in_two_rounds_has_one_sample(site: RoundSite, files: Files) -> None:
    """Whichever is first; the other one changes nothing, and neither moves to another moment."""
    monitor_id = await add_monitor(site.bench.database, file("/a"))
    slot = slot_now()
    await site.run([Visit(monitor_id, 1, slot)])
    files.say("/a", GONE)
    assert (await site.run([Visit(monitor_id, 1, slot), Visit(monitor_id, 1, slot)]))["down"] == 2
    assert await site.rows("select ts, outcome from sample") == [(slot, 0)]
    assert await site.state(monitor_id) == "up"
    assert await site.rows("select length(beats) from monitor_states") == [(9,)]


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_workers_wall_clock_changes_nothing(site: RoundSite, hours: int) -> None:
    """Slots are kept by the database's clock and by a clock that only goes on."""
    site.clock = lambda: utc_now() + timedelta(hours=hours)
    monitor_id = await add_monitor(site.bench.database, file("/a"))
    slot = slot_now(0.1)
    await site.run([Visit(monitor_id, 1, slot)])
    ((ts, lag_ms),) = await site.rows("select ts, extras[6] from sample")
    assert (ts, 0 <= lag_ms < 10_000) == (slot, True)


async def test_no_look_begins_before_its_slot(site: RoundSite, files: Files) -> None:
    """The schedule hands slots out ahead of their time."""
    began: list[Any] = []

    async def note() -> Observation:
        began.append((await site.rows("select clock_timestamp()"))[0][0])
        return WELL

    files.answers["/a"] = note
    monitor_id = await add_monitor(site.bench.database, file("/a"))
    slots = [slot_now(seconds) for seconds in (0.3, 0.1, 0.2)]
    await site.run([Visit(monitor_id, 1, slot) for slot in slots])
    assert all(at >= slot for at, slot in zip(began, sorted(slots), strict=True))
    beats = await site.rows("select beats from monitor_states")
    assert unpack_beats(beats[0][0]) == [
        Beat(slot.replace(microsecond=0), Outcome.UP, 1.5) for slot in sorted(slots, reverse=True)
    ]


async def test_down_is_confirmed_before_it_counts(site: RoundSite, files: Files) -> None:
    """The schedule is asked for the confirmation; it leaves no sample, and down begins with the first failure."""
    monitor_id = await add_monitor(site.bench.database, file("/a"), confirmations=1)
    files.say("/a", GONE)
    slot = slot_now()
    await site.run([Visit(monitor_id, 1, slot)])
    ((due_at, confirm_at, number, next_slot),) = await site.rows(
        "select due_at, confirm_at, confirmation, next_slot from schedules"
    )
    assert await site.state(monitor_id) == "pending"
    assert (confirm_at, number, due_at) == (slot + timedelta(seconds=5), 1, min(confirm_at, next_slot))
    await site.run([Visit(monitor_id, 1, slot + MS, confirmation=1)])
    assert await site.state(monitor_id) == "down"
    assert (await site.rows("select started_at from state_spans where state = 2")) == [(slot,)]
    assert await site.rows("select confirm_at, confirmation, due_at = next_slot from schedules") == [(None, 0, True)]
    assert await site.sampled() == {(monitor_id, slot): 1}


async def test_a_failure_that_passes_is_not_confirmed(site: RoundSite, files: Files) -> None:
    """The confirmation is taken back, and the monitor was never down."""
    monitor_id = await add_monitor(site.bench.database, file("/a"), confirmations=2)
    files.say("/a", GONE)
    slot = slot_now()
    await site.run([Visit(monitor_id, 1, slot)])
    files.say("/a", WELL)
    await site.run([Visit(monitor_id, 1, slot + MS, confirmation=1)])
    assert await site.rows("select confirm_at, confirmation, due_at = next_slot from schedules") == [(None, 0, True)]
    assert await site.rows("select distinct state from state_spans where state = 2") == []
    assert await site.state(monitor_id) == "up"


async def test_a_monitor_paused_meanwhile_is_not_judged(site: RoundSite, files: Files) -> None:
    """Its slot is missed for that reason, also when the pause comes while it is looked at."""
    gate, files.answers["/a"] = gated(GONE)
    monitor_id = await add_monitor(site.bench.database, file("/a"))
    slot = slot_now()
    running = asyncio.create_task(site.run([Visit(monitor_id, 1, slot)]))
    async with site.bench.database.transaction() as work:
        await work.run("update monitors set paused_at = now(), version = 2")
        await work.run("update monitor_states set state = 5")
    gate.set()
    await running
    next_slot = slot + timedelta(minutes=1)
    assert (await site.run([Visit(monitor_id, 2, next_slot - timedelta(minutes=1) + MS)]))["missed"] == 1
    assert await site.sampled() == {}
    assert await site.gaps() == [(monitor_id, slot, "paused"), (monitor_id, slot + MS, "paused")]
    assert await site.state(monitor_id) == "paused"


async def test_a_pause_that_is_over_misses_no_slot_that_is_handed_out_again(site: RoundSite) -> None:
    """A round that knows of the pause comes to its slot after it: only what lay before the pause is still missed."""
    monitor_id = await add_monitor(site.bench.database, file("/a"))
    slot = slot_now()
    async with site.bench.database.transaction() as work:
        await work.run("update monitors set paused_at = $1, version = 2", slot - SECOND)
        await work.run("update monitor_states set state = 5")
    earlier = [slot - (2 + each) * SECOND for each in range(2)]
    execution, _ = site.worker()
    assert await execution.run(ring_of(await site.submitted([Visit(monitor_id, 2, earlier[0])])))
    async with site.bench.database.transaction() as work:
        await work.run("update monitors set paused_at = null, version = 3")
        await work.run("update monitor_states set state = 4")
    late = await site.submitted([Visit(monitor_id, 2, each) for each in (earlier[1], slot)])
    assert await execution.run(ring_of(late)) is AttemptOutcome.SUCCEEDED
    assert sorted(await site.gaps()) == sorted((monitor_id, each, "paused") for each in earlier)
    await site.run([Visit(monitor_id, 3, slot)])
    assert await site.sampled() == {(monitor_id, slot): 1}


async def test_a_monitor_deleted_meanwhile_leaves_nothing(site: RoundSite, files: Files) -> None:
    """Neither before the round begins nor while it looks, and the other looks go on."""
    gate, files.answers["/a"] = gated(WELL)
    gone, other = [await add_monitor(site.bench.database, file(path)) for path in ("/a", "/b")]
    slot = slot_now()
    running = asyncio.create_task(site.run([Visit(each, 1, slot) for each in (gone, other, uuid4())]))
    await site.until_told(other)
    async with site.bench.database.transaction() as work:
        await work.run("delete from monitors where monitor_id = $1", gone)
    gate.set()
    assert (await running)["up"] == 2
    assert await site.sampled() == {(other, slot): 1}


async def test_a_monitor_changed_meanwhile_is_read_again(site: RoundSite, files: Files) -> None:
    """A round made of its later version finds the later target; one made before may still see the earlier one."""
    monitor_id = await add_monitor(site.bench.database, file("/a"))
    execution, _ = site.worker()
    for version in (1, 2):
        job = await site.submitted([Visit(monitor_id, version, slot_now())])
        await execution.run(ring_of(job))
        async with site.bench.database.transaction() as work:
            await work.run("""update monitors set target = '{"kind": "file", "path": "/b"}', version = 2""")
    assert files.looks == ["/a", "/b"]


async def test_a_moment_that_is_over_is_not_looked_at(site: RoundSite, files: Files) -> None:
    """It is missed, and why depends on whether it was tried before."""
    late, fine = [
        await add_monitor(site.bench.database, file("/a"), interval=interval)
        for interval in (timedelta(minutes=1), DAY)
    ]
    slot = slot_now(-61)
    job = await site.submitted([Visit(late, 1, slot), Visit(fine, 1, slot)])
    execution, _ = site.worker()
    await execution.run(ring_of(job))
    assert await site.sampled() == {(fine, slot): 1}
    assert await site.gaps() == [(late, slot, "overload")]


async def test_what_somebody_asked_for_is_told_and_not_kept(site: RoundSite, files: Files) -> None:
    """Its result is the job's; the state follows what was found."""
    monitor_id = await add_monitor(site.bench.database, file("/a"))
    files.say("/a", GONE)
    result = await site.run([Visit(monitor_id, 1, slot_now(), is_manual=True)])
    (reading,) = result["readings"]
    assert reading == {
        "monitor_id": str(monitor_id),
        "outcome": "down",
        "duration_ms": 0.5,
        "metrics": {"tries": 1.0},
        "code": "not_found",
        "message": "it is gone",
    }
    assert await site.sampled() == {}
    assert await site.state(monitor_id) == "down"


async def test_a_look_asked_for_by_a_clock_that_is_ahead_ages_no_slot(site: RoundSite) -> None:
    """It counts as of when it is taken, by the database's clock, so that the slots after it are still news."""
    monitor_id = await add_monitor(site.bench.database, file("/a"))
    asked = await site.run([Visit(monitor_id, 1, utc_now() + DAY, is_manual=True)])
    assert asked["up"] == 1
    assert await site.rows("select last_at < now() + interval '1 s' from monitor_states") == [(True,)]


async def test_a_target_that_cannot_be_unsealed_is_our_error(site: RoundSite, files: Files) -> None:
    """The worker lacks the key; nothing is said of the target, and with the key it is looked at."""
    vault = Vault([new_key()])
    monitor_id = await add_monitor(site.bench.database, file("/a"), sealed_by=vault)
    assert (await site.run([Visit(monitor_id, 1, slot_now())]))["error"] == 1
    assert await site.state(monitor_id) == "no_data"
    assert await site.rows("select code from sample_note") == [("secret_unreadable",)]
    site.vault = vault
    assert (await site.run([Visit(monitor_id, 1, slot_now())]))["up"] == 1


async def test_a_late_slot_marks_its_hour(site: RoundSite) -> None:
    """Its roll-up is computed again, and the state does not go back."""
    monitor_id = await add_monitor(site.bench.database, file("/a"), interval=DAY)
    slot, late = slot_now(), slot_now(-7200)
    await site.run([Visit(monitor_id, 1, slot)])
    await site.run([Visit(monitor_id, 1, late)])
    assert await site.sampled() == {(monitor_id, slot): 1, (monitor_id, late): 1}
    marks = await site.rows("select bucket from rollup_dirty order by bucket")
    assert marks[0] == (late.replace(minute=0, second=0, microsecond=0),)
    ((sampled_at, beats),) = await site.rows("select sampled_at, length(beats) from monitor_states")
    assert (sampled_at, beats) == (slot, 9)


async def test_results_outlast_a_broken_connection(site: RoundSite) -> None:
    """The flush under way is cut off; what it held is written once the database is there again."""
    monitor_id = await add_monitor(site.bench.database, file("/a"))
    slot = slot_now()
    running: asyncio.Task[Any]
    async with site.bench.database.transaction() as work:
        await work.run("lock table monitor_states in access exclusive mode")
        running = asyncio.create_task(site.run([Visit(monitor_id, 1, slot)]))
        await _end_waiting(work)
    assert (await running)["up"] == 1
    assert await site.sampled() == {(monitor_id, slot): 1}


async def _end_waiting(work: Any) -> None:
    """Cut off who waits for a lock, once somebody does."""
    ended: list[UUID] = []
    async with asyncio.timeout(60):
        while not ended:
            ended = await work.fetch(
                "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock'"
                " and datname = current_database()"
            )


async def test_a_spec_of_another_version_fails_for_good(site: RoundSite) -> None:
    """What this worker cannot read it will not read better the next time."""
    job = await site.submitted([])
    async with site.bench.database.transaction() as work:
        await work.run("""update jobs set spec = '{"rounds": 7}'""")
    execution, _ = site.worker()
    assert await execution.run(ring_of(job)) is AttemptOutcome.FAILED
    assert (await site.bench.job(job.job_id)).state is JobState.FAILED
