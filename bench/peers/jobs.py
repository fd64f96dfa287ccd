"""The jobs that every queue runs: one that does nothing, and one that is held until a gate is gone."""

import asyncio
import os
import time
from pathlib import Path

from bench.peers.tally import tally

GATE_SECONDS = 0.02
"""How often a held job looks whether its gate is gone."""

_gate = Path(os.environ.get("BENCH_GATE", "/nonexistent"))


def no_op(submitted: float) -> None:
    """Do nothing; `submitted` is when the job was handed in, 0 where nobody asks."""
    tally.note(submitted=submitted)


async def hold(number: float) -> None:
    """Run until the gate is gone, without standing in the way of others."""
    tally.tell({"held": number, "at": time.time(), "pid": os.getpid()})
    while _gate.exists():  # noqa: ASYNC110, ASYNC240 - a file reaches any process, and a look is short
        await asyncio.sleep(GATE_SECONDS)
    tally.tell({"ended": number, "at": time.time()})


def hold_blocking(number: float) -> None:
    """The same in a thread or a process of its own."""
    asyncio.run(hold(number))
