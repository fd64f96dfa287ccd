"""The collection flow: bounds, retries, the breaker, and whose fault it was."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from shared.coordination.breaker import Skip
from shared.domain.target.observation import Blame, Fault, Observation
from shared.domain.target.outcome import Outcome
from shared.domain.target.targets import DatabaseTarget, FileTarget, HttpTarget, Target, TargetModel
from shared.services.target.collection import Collection

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
GOOD = Observation(12.3456789, {"STATUS": 200, "CONNECTED": True}, {"status": 200.0, "connect_ms": 1.23456, "odd": 1.0})
SLOW = Observation(10.0, {"CONNECTED": False}, {}, Fault("timeout", "too slow"))
REFUSED = Observation(1.0, {"CONNECTED": False}, {}, Fault("connection_refused", "closed"))

Answer = Callable[[Any], Awaitable[Observation]]


class FakeCollector:
    """Answers as told; counts how many it reads at once, in all and by target."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.running: Counter[str] = Counter()
        self.most_at_once = 0
        self.looks = 0

    async def collect(self, target: TargetModel) -> Observation:
        self.looks += 1
        self.running["all"] += 1
        self.most_at_once = max(self.most_at_once, self.running["all"])
        try:
            return await self.answer(target)
        finally:
            self.running["all"] -= 1

    async def close(self) -> None:
        self.looks = -1


def answers(*observations: Observation) -> FakeCollector:
    """Gives the observations in turn, the last one for ever."""
    left = list(observations)

    async def answer(_: Any) -> Observation:
        return left.pop(0) if len(left) > 1 else left[0]

    return FakeCollector(answer)


def collecting(
    collector: FakeCollector, *, target_slots: int = 100, host_slots: int = 10, breaker: Any = None
) -> Collection:
    return Collection(
        dict.fromkeys(("http", "database", "file"), collector),
        clock=lambda: NOW,
        target_slots=target_slots,
        host_slots=host_slots,
        breaker=breaker,
    )


def http(host: str = "a.example", **fields: Any) -> HttpTarget:
    return HttpTarget.model_validate({"kind": "http", "url": f"http://{host}/", **fields})


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.services.target.collection.RETRY_PAUSE_SECONDS", 0.0)


async def test_a_reading_holds_what_its_kind_keeps() -> None:
    """Times to a microsecond, declared metrics only, the tries, and when the look began."""
    reading = await collecting(answers(GOOD)).collect(http())
    assert (reading.outcome, reading.code, reading.message) == (Outcome.UP, None, None)
    assert (reading.duration_ms, reading.collected_at) == (12.346, NOW)
    assert reading.metrics == {"status": 200.0, "connect_ms": 1.235, "tries": 1.0}


async def test_readings_come_in_the_order_of_the_targets() -> None:
    """However long each took."""

    async def answer(target: HttpTarget) -> Observation:
        for _ in range(int(target.url[7])):
            await asyncio.sleep(0)
        return Observation(float(target.url[7]), {"STATUS": 200})

    targets: Sequence[Target] = [http(f"{9 - number}.example") for number in range(9)]
    readings = await collecting(FakeCollector(answer)).collect_all(targets)
    assert [reading.duration_ms for reading in readings] == [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]


async def test_a_target_found_down_is_tried_again_before_it_counts() -> None:
    """The last try is what is told, with how many there were."""
    collector = answers(REFUSED, REFUSED, GOOD)
    reading = await collecting(collector).collect(http(retries=3))
    assert (reading.outcome, reading.metrics["tries"], collector.looks) == (Outcome.UP, 3.0, 3)


async def test_retries_have_an_end() -> None:
    """A target that stays down is told so after its retries."""
    collector = answers(REFUSED)
    reading = await collecting(collector).collect(http(retries=2))
    assert (reading.outcome, reading.code, collector.looks) == (Outcome.DOWN, "connection_refused", 3)


async def test_our_own_fault_is_not_tried_again() -> None:
    """A refusal by policy does not become better by asking twice."""
    collector = answers(Observation(0.0, fault=Fault("blocked_by_policy", "no", Blame.OURS)))
    reading = await collecting(collector).collect(http(retries=5))
    assert (reading.outcome, collector.looks) == (Outcome.ERROR, 1)


async def test_a_file_is_looked_at_once() -> None:
    """A second look would hide the lines that the first one counted."""
    collector = answers(Observation(1.0, {"EXISTS": True, "MATCHES": 3}, {"matches": 3.0}))
    target = FileTarget.model_validate(
        {"kind": "file", "path": "/a", "pattern": "ERROR", "retries": 5, "conditions": ["[MATCHES] == 0"]}
    )
    reading = await collecting(collector).collect(target)
    assert (reading.outcome, collector.looks, reading.message) == (Outcome.DOWN, 1, "[MATCHES] (3) == 0")


async def test_a_collector_that_raises_is_our_error_and_not_told_in_detail() -> None:
    """The log has the place, the reading has no secret."""

    async def fail(_: Any) -> Observation:
        raise LookupError("hunter2")

    with structlog.testing.capture_logs() as logs:
        reading = await collecting(FakeCollector(fail)).collect(http(retries=3))
    assert (reading.outcome, reading.code) == (Outcome.ERROR, "internal")
    assert logs[0]["error"] == "LookupError"
    assert "in fail" in logs[0]["traceback"]
    assert "hunter2" not in f"{reading}{[log['error'] for log in logs]}"


async def test_a_collector_that_overruns_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing takes longer than its timeout and our patience, whatever the collector does."""
    monkeypatch.setattr("shared.services.target.collection.OVERRUN_SECONDS", 0.0)

    async def hang(_: Any) -> Observation:
        await asyncio.Event().wait()
        raise AssertionError

    with structlog.testing.capture_logs() as logs:
        reading = await collecting(FakeCollector(hang)).collect(http(timeout="20ms"))
    assert (reading.outcome, reading.code) == (Outcome.ERROR, "internal")
    assert logs[0]["event"] == "collector_overran"


class Gate:
    """Looks wait until it opens; `full` is set when as many wait as expected."""

    def __init__(self, expected: int) -> None:
        self.waiting: Counter[str] = Counter()
        self.full = asyncio.Event()
        self.opened = asyncio.Event()
        self.expected = expected

    async def answer(self, target: Any) -> Observation:
        self.waiting[str(getattr(target, "url", "database"))] += 1
        if self.waiting.total() == self.expected:
            self.full.set()
        await self.opened.wait()
        return GOOD


async def test_a_slow_host_leaves_slots_to_the_others() -> None:
    """Of twenty targets of one slow host only its share is looked at, and another host does not wait for them."""
    gate = Gate(expected=4)
    collection = collecting(FakeCollector(gate.answer), target_slots=5, host_slots=3)
    targets: list[Target] = [*(http("slow.example") for _ in range(20)), http("fast.example")]
    task = asyncio.create_task(collection.collect_all(targets))
    async with asyncio.timeout(5):
        await gate.full.wait()
        assert gate.waiting == {"http://slow.example/": 3, "http://fast.example/": 1}
        gate.opened.set()
        assert len(await task) == 21


async def test_a_worker_collects_no_more_at_once_than_its_slots() -> None:
    """Over all hosts together."""
    gate = Gate(expected=4)
    collector = FakeCollector(gate.answer)
    collection = collecting(collector, target_slots=4, host_slots=3)
    task = asyncio.create_task(collection.collect_all([http(f"{number}.example") for number in range(12)]))
    async with asyncio.timeout(5):
        await gate.full.wait()
        gate.opened.set()
        await task
    assert collector.most_at_once == 4
    assert collection._slots._hosts == {}


async def test_a_database_host_gets_one_connection_at_a_time() -> None:
    """A sick database is not made sicker, while the same host's web server has its own slots."""
    gate = Gate(expected=2)
    collector = FakeCollector(gate.answer)
    database = DatabaseTarget.model_validate({"kind": "database", "dsn": "postgresql://u@a.example/d"})
    task = asyncio.create_task(collecting(collector).collect_all([database, database, http()]))
    async with asyncio.timeout(5):
        await gate.full.wait()
        assert gate.waiting == {"database": 1, "http://a.example/": 1}
        gate.opened.set()
        await task


async def test_no_slot_in_time_is_our_own_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is too far behind says so, and not that the target is down."""
    monkeypatch.setattr("shared.services.target.collection.SLOT_WAIT_SECONDS", 0.01)
    gate = Gate(expected=1)
    collection = collecting(FakeCollector(gate.answer), target_slots=1)
    holder = asyncio.create_task(collection.collect(http("b.example")))
    async with asyncio.timeout(5):
        await gate.full.wait()
        reading = await collection.collect(http())
        gate.opened.set()
        await holder
    assert (reading.outcome, reading.code) == (Outcome.ERROR, "no_slot")


async def test_a_cancelled_collection_gives_its_slots_back() -> None:
    """A job that is cancelled leaves nothing held."""
    gate = Gate(expected=1)
    collection = collecting(FakeCollector(gate.answer), target_slots=1, host_slots=1)
    task = asyncio.create_task(collection.collect_all([http(), http()]))
    async with asyncio.timeout(5):
        await gate.full.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        gate.opened.set()
        assert (await collection.collect(http())).outcome is Outcome.UP


class FakeBreaker:
    """Says skip when told to, and notes what it is told."""

    def __init__(self, skip: Skip | None = None) -> None:
        self.skip = skip
        self.notes: list[str] = []

    async def ask(self, endpoint: str) -> Skip | None:
        self.notes.append(f"ask {endpoint}")
        return self.skip

    async def note_timeout(self, endpoint: str) -> None:
        self.notes.append("timeout")

    async def note_answer(self, endpoint: str) -> None:
        self.notes.append("answer")


@pytest.mark.parametrize(
    ("observation", "note"),
    [
        (GOOD, ["answer"]),
        (REFUSED, ["answer"]),
        (SLOW, ["timeout"]),
        (Observation(0.0, fault=Fault("timeout", "we were slow", Blame.OURS)), []),
    ],
)
async def test_the_breaker_is_told_of_timeouts_and_answers(observation: Observation, note: list[str]) -> None:
    """A refused connection is an answer; our own fault is nothing to hold against a host."""
    breaker = FakeBreaker()
    await collecting(answers(observation), breaker=breaker).collect(http())
    assert breaker.notes == ["ask a.example:80", *note]


async def test_what_the_breaker_skips_is_neither_up_nor_down() -> None:
    """Not looking is our choice: `error`, with the reason, and no second try."""
    collector = answers(GOOD)
    reading = await collecting(collector, breaker=FakeBreaker(Skip(7))).collect(http(retries=3))
    assert (reading.outcome, reading.code, collector.looks) == (Outcome.ERROR, "circuit_open", 0)
    assert reading.message == "a.example:80 was not dialled: it timed out 7 times in a row and was tried a moment ago"


async def test_files_have_no_breaker() -> None:
    """They are on the worker's own machine."""
    breaker = FakeBreaker()
    target = FileTarget.model_validate({"kind": "file", "path": "/a"})
    await collecting(answers(Observation(1.0, {"EXISTS": True})), breaker=breaker).collect(target)
    assert breaker.notes == []


async def test_closing_closes_the_collectors() -> None:
    """The flow owns what it was given."""
    collector = answers(GOOD)
    await collecting(collector).close()
    assert collector.looks == -1
