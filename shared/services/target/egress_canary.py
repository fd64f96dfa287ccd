"""The canaries of a worker process: whether it reaches the world, asked before a target is blamed for not answering."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from shared.domain.target.egress_canary import EgressState

_log = structlog.get_logger()

PAUSE_SECONDS = 0.1
"""The least time between two questions, so that many targets that are down do not become a load for the canaries."""
ASK_SECONDS = 3.0
"""The longest the canaries are waited for."""

Ask = Callable[[], Awaitable[bool]]
"""Asks one canary; whether it answered. It need not keep a time of its own."""


class EgressCanary:
    """Watches the way out of one process. Any canary that answers will do; none to ask is no watch."""

    def __init__(self, asks: Sequence[Ask]) -> None:
        self._asks = asks
        self._asking: asyncio.Task[bool] | None = None
        self._asked_at = -PAUSE_SECONDS
        self._answered_since = -PAUSE_SECONDS
        self._failed_at = 0.0
        self._is_up = True

    @property
    def state(self) -> EgressState:
        """What was last found."""
        if not self._asks:
            return EgressState.UNWATCHED
        return EgressState.OK if self._is_up else EgressState.DOWN

    async def watch(self) -> int:
        """Ask the canaries now; answers 0, since there is nothing more to be done."""
        if self._asks:
            await self._ask_together()
        return 0

    async def is_to_blame(self, *, since: float) -> bool:
        """Whether the way out was broken at any time since a moment of the monotonic clock, as far as that is known.

        Only a question that is asked from now on tells: an earlier answer is no alibi for a way that broke after it.
        All who want to know share one, which begins `PAUSE_SECONDS` after the one before at the earliest.
        """
        if not self._asks:
            return False
        now = time.monotonic()
        while self._answered_since < now:
            await self._ask_together()
        return not self._is_up or self._failed_at >= since

    async def _ask_together(self) -> None:
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_in_turn())
            self._asking.add_done_callback(self._note)
        # Who leaves does not take the question along.
        await asyncio.wait([self._asking])

    def _note(self, asked: "asyncio.Task[bool]") -> None:
        self._asking = None
        if asked.cancelled():
            return
        was_up, self._is_up = self._is_up, asked.result()
        self._answered_since = self._asked_at
        if not self._is_up:
            self._failed_at = time.monotonic()
        if was_up and not self._is_up:
            _log.error("egress_down", canaries=len(self._asks))
        elif self._is_up and not was_up:
            _log.info("egress_back")

    async def _ask_in_turn(self) -> bool:
        await asyncio.sleep(self._asked_at + PAUSE_SECONDS - time.monotonic())
        self._asked_at = time.monotonic()
        return await self._ask_any()

    async def _ask_any(self) -> bool:
        """Ask all at once; the first that answers is enough."""
        asking = [asyncio.create_task(_answered(ask)) for ask in self._asks]
        try:
            async with asyncio.timeout(ASK_SECONDS):
                for answered in asyncio.as_completed(asking):
                    if await answered:
                        return True
        except TimeoutError:
            return False
        finally:
            for each in asking:
                each.cancel()
        return False


async def _answered(ask: Ask) -> bool:
    try:
        return await ask()
    except Exception:  # noqa: BLE001 - a canary that cannot be asked has not answered
        _log.warning("canary_not_asked", exc_info=True)
        return False
