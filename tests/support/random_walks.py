"""Random walks of state machines over real services: the same in every run of the suite, and new ones in a long run."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

ResultT = TypeVar("ResultT")

STEP_SECONDS = 60
"""A step that takes longer hangs."""
_EXAMPLES = os.environ.get("TOCSIN_PROOF_EXAMPLES")
IS_REPEATED = _EXAMPLES is None
"""Whether all runs take the same walks."""


def examples(usual: int) -> int:
    """How many there are: as many as a long run asks for, or the usual ones."""
    return usual if _EXAMPLES is None else int(_EXAMPLES)


class AsyncMachine(RuleBasedStateMachine):
    """A state machine whose steps await; whoever derives from it closes the runner at the walk's end."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()

    def run(self, step: Awaitable[ResultT]) -> ResultT:
        """Take a step to its end."""

        async def bounded() -> ResultT:
            async with asyncio.timeout(STEP_SECONDS):
                return await step

        return self.runner.run(bounded())


def take_walks(make: Callable[[], RuleBasedStateMachine], *, walks: int, steps: int) -> None:
    """Take so many walks of so many steps each; one that fails is made shorter before it is told."""
    run_state_machine_as_test(
        make,
        settings=settings(
            max_examples=walks,
            stateful_step_count=steps,
            deadline=None,
            derandomize=IS_REPEATED,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
