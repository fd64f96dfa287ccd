"""Rounds: each slot is looked at once, at its moment, and recorded at once, whatever happens meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from job_bench import Bench
from round_site import RoundSite, add_monitor, slot_now

from shared.domain.live import SampleTold, StateTold
from shared.domain.observation import Fault, Observation
from shared.domain.outcome import Outcome
from shared.domain.slots import Visit
from shared.domain.standing import MonitorState

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
