"""While no canary answers, no target is down; and asking them costs next to nothing."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.clock import utc_now
from shared.domain.target.egress_canary import EgressState
from shared.domain.target.observation import Fault, Observation
from shared.domain.target.outcome import Outcome
from shared.domain.target.targets import HttpTarget
from shared.services.target.collection import Collection
from shared.services.target.egress_blame import with_canary
from shared.services.target.egress_canary import EgressCanary

FAR = HttpTarget(kind="http", url="http://shop.example/")
NEAR = HttpTarget(kind="http", url="http://127.0.0.1:1/")
REFUSED = Observation(1.0, {"CONNECTED": False}, {}, Fault("connection_refused", "closed"))
BAD_STATUS = Observation(1.0, {"CONNECTED": True, "STATUS": 503})


@dataclass
class Way:
    """A way out that can be broken, and how often it was asked."""

    is_open: bool = True
    asked: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self) -> bool:
        self.asked += 1
        await self.gate.wait()
        return self.is_open


@dataclass
class Sees:
    """A collector that sees what it is told to."""

    observation: Observation

    async def collect(self, target: Any) -> Observation:
        return self.observation

    async def close(self) -> None:
        """Nothing is open."""


def way(*, is_open: bool = True) -> Way:
    found = Way(is_open)
    found.gate.set()
    return found


async def outcome(canary: EgressCanary, target: HttpTarget, observation: Observation) -> tuple[Outcome, str | None]:
    collectors = with_canary({"http": Sees(observation)}, canary)
    reading = await Collection(collectors, clock=utc_now, target_slots=9, host_slots=9).collect(target)
    return reading.outcome, reading.code


async def test_no_target_is_down_while_no_canary_answers() -> None:
    """It is an error of ours; what was answered is judged as ever, and what is near needs no way out."""
    canary = EgressCanary([way(is_open=False), way(is_open=False)])
    assert await outcome(canary, FAR, REFUSED) == (Outcome.ERROR, "egress_down")
    assert await outcome(canary, FAR, BAD_STATUS) == (Outcome.DOWN, "condition_failed")
    assert await outcome(canary, NEAR, REFUSED) == (Outcome.DOWN, "connection_refused")
    assert canary.state is EgressState.DOWN


async def test_one_canary_that_answers_is_enough() -> None:
    """Also when another one never does, or cannot be asked at all."""
    silent = Way()

    async def broken() -> bool:
        raise OSError("no socket")

    canary = EgressCanary([silent, broken, way()])
    assert await outcome(canary, FAR, REFUSED) == (Outcome.DOWN, "connection_refused")
    assert canary.state is EgressState.OK


async def test_without_canaries_nobody_is_asked() -> None:
    """The target is believed to be down, as it looks."""
    canary = EgressCanary([])
    assert await outcome(canary, FAR, REFUSED) == (Outcome.DOWN, "connection_refused")
    assert (await canary.watch(), canary.state) == (0, EgressState.UNWATCHED)


async def test_many_who_want_to_know_ask_once() -> None:
    """A thousand targets that fail together cost one question."""
    asked = Way()
    canary = EgressCanary([asked])
    asking = [asyncio.create_task(canary.is_to_blame(since=time.monotonic())) for _ in range(1000)]
    await asyncio.sleep(0)
    asked.gate.set()
    assert not any(await asyncio.gather(*asking))
    assert asked.asked == 1


async def test_an_answer_from_before_a_target_failed_proves_nothing() -> None:
    """The way out may have broken in the moment between."""
    broken = way()
    canary = EgressCanary([broken])
    await canary.watch()
    broken.is_open = False
    assert await outcome(canary, FAR, REFUSED) == (Outcome.ERROR, "egress_down")


async def test_who_leaves_does_not_take_the_question_along() -> None:
    """Others wait for its answer."""
    asked = Way()
    canary = EgressCanary([asked])
    leaving = asyncio.create_task(canary.is_to_blame(since=0.0))
    staying = asyncio.create_task(canary.is_to_blame(since=time.monotonic()))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    asked.gate.set()
    assert await staying is False


async def test_canaries_that_hang_do_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are waited for so long and no longer."""
    monkeypatch.setattr("shared.services.target.egress_canary.ASK_SECONDS", 0.01)
    canary = EgressCanary([Way(), Way()])
    assert await outcome(canary, FAR, REFUSED) == (Outcome.ERROR, "egress_down")


async def test_a_look_that_began_while_the_way_was_broken_blames_nobody() -> None:
    """A time-out that ends after the way has come back says nothing of the target; the next look does."""
    broken = way(is_open=False)
    canary = EgressCanary([broken])
    began = time.monotonic()
    await canary.watch()
    broken.is_open = True
    assert await canary.is_to_blame(since=began)
    assert canary.state is EgressState.OK
    assert not await canary.is_to_blame(since=time.monotonic())
