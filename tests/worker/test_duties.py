"""The clock of upkeep: how often a duty runs, and what is counted and said of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from worker.upkeep.duties import Duty, keep

HOUR = 3600.0


def counted(series: str, duty: str) -> float:
    """A series' value for one duty."""
    return REGISTRY.get_sample_value(series, {"duty": duty}) or 0.0


class Runs:
    """A duty that answers, or raises, one after the other, what it is given; then it says that it is through."""

    def __init__(self, *answers: int | Exception) -> None:
        self._answers = list(answers)
        self.is_through = asyncio.Event()

    async def run(self) -> int:
        answer = self._answers.pop(0)
        if not self._answers:
            self.is_through.set()
        if isinstance(answer, Exception):
            raise answer
        return answer


@asynccontextmanager
async def kept(duty: Duty) -> AsyncIterator[None]:
    task = asyncio.create_task(keep(duty))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_duty_goes_on_without_a_pause_while_it_finds_work() -> None:
    """Only when it moved nothing does it wait for its interval."""
    runs = Runs(500, 500, 20, 0)
    before = counted("tocsin_upkeep_jobs_total", "test_goes_on")
    async with kept(Duty("test_goes_on", HOUR, runs.run)), asyncio.timeout(10):
        await runs.is_through.wait()
    assert counted("tocsin_upkeep_jobs_total", "test_goes_on") - before == 1020


async def test_a_duty_that_fails_is_counted_and_tried_again() -> None:
    """Whatever is away comes back."""
    runs = Runs(RedisConnectionError(), 0)
    async with kept(Duty("test_fails", 0.001, runs.run)), asyncio.timeout(10):
        await runs.is_through.wait()
    assert counted("tocsin_upkeep_failures_total", "test_fails") == 1


@pytest.mark.parametrize(("interval_seconds", "said"), [(0.0, ["duty_slow"]), (HOUR, [])])
async def test_a_duty_that_takes_longer_than_its_interval_says_so(interval_seconds: float, said: Sequence[str]) -> None:
    """Its time is in the histogram either way."""
    runs, name = Runs(1), f"test_slow_{interval_seconds}"
    with capture_logs() as logs:
        async with kept(Duty(name, interval_seconds, runs.run, breath_seconds=HOUR)), asyncio.timeout(10):
            await runs.is_through.wait()
    assert [line["event"] for line in logs] == said
    assert counted("tocsin_upkeep_seconds_count", name) == 1
