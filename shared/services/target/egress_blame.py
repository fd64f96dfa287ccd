"""Collectors that blame no target for what our own broken way out looks like."""

import time
from dataclasses import replace
from typing import Any

from shared.collectors.base import Collector, Collectors
from shared.domain.target.egress_canary import EGRESS_DOWN, UNREACHED, EgressState, is_near
from shared.domain.target.observation import Blame, Observation
from shared.domain.target.target_identity import host_of
from shared.domain.target.targets import Target
from shared.services.target.egress_canary import EgressCanary


class WaryCollector:
    """Asks the canaries before it says that a target could not be reached."""

    def __init__(self, collector: Collector[Any], canary: EgressCanary) -> None:
        self._collector = collector
        self._canary = canary

    async def collect(self, target: Target) -> Observation:
        """Read the target once."""
        began = time.monotonic()
        observation = await self._collector.collect(target)
        fault = observation.fault
        if fault is None or fault.code not in UNREACHED or fault.blame is Blame.OURS or is_near(host_of(target)):
            return observation
        return replace(observation, fault=EGRESS_DOWN) if await self._canary.is_to_blame(since=began) else observation

    async def close(self) -> None:
        """Let go of what is kept open for the process."""
        await self._collector.close()


def with_canary(collectors: Collectors, canary: EgressCanary) -> Collectors:
    """The same collectors, wary where there are canaries to be asked."""
    if canary.state is EgressState.UNWATCHED:
        return collectors
    return {kind: WaryCollector(collector, canary) for kind, collector in collectors.items()}
