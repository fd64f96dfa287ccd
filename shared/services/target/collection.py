"""Collecting targets: within bounds, tried again when down, judged, and told apart from our own faults."""

import asyncio
import math
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

import structlog

from shared.clock import Clock
from shared.collectors.base import Collectors
from shared.coordination.breaker import Skip
from shared.domain.secret.secrets import SecretMissingError, fill, scrub, secret_names_of, secret_texts_of
from shared.domain.target.judgement import Expectations, Verdict, expect, judge
from shared.domain.target.kinds import METRICS
from shared.domain.target.observation import CIRCUIT_OPEN, Blame, Fault, Observation
from shared.domain.target.outcome import Outcome, Reading
from shared.domain.target.target_identity import display_name, endpoint_of, host_of
from shared.domain.target.targets import DatabaseTarget, FileTarget, Target
from shared.services.target.collection_slots import CollectionSlots, NoSlotError
from shared.storage.errors import StorageUnavailableError
from shared.telemetry import Span, SpanKind, report_error, span

_log = structlog.get_logger()

RETRY_PAUSE_SECONDS = 0.5
"""Between two tries within one collection: long enough for a dropped packet, short against any interval."""
OVERRUN_SECONDS = 10.0
"""How long after a target's timeout its collector is still believed in."""
SLOT_WAIT_SECONDS = 300.0
"""The longest wait for a slot; a worker that is so far behind says that it is, and not that the target is down."""
DATABASE_SLOTS = 1
"""A sick database gets one connection of ours at a time from each worker."""

_INTERNAL = Fault("internal", "Tocsin failed at collecting this target; the worker's log says why", Blame.OURS)
_OVERRAN = Fault("internal", "Tocsin's collector did not keep within the target's timeout", Blame.OURS)
_NO_SLOT = Fault("no_slot", "the worker had no free slot for this target in time; start more workers", Blame.OURS)

_SECRETS_AWAY = Fault("secret_unreadable", "the secrets that the target names could not be read in time", Blame.OURS)

_TIMEOUT_CODES: Final = frozenset({"timeout"})


OnStart = Callable[[], None]
"""Called when a try begins, once it has its slot; what it raises is passed on, and the try not made."""


def _start_anyhow() -> None:
    """What most looks do when they begin: nothing."""


class CircuitBreaker(Protocol):
    """What spares slots from an endpoint that only times out; see `shared.coordination.breaker`."""

    async def ask(self, endpoint: str) -> Skip | None:
        """Whether to skip the look at hand."""
        ...

    async def note_timeout(self, endpoint: str) -> None:
        """Count a time-out."""
        ...

    async def note_answer(self, endpoint: str) -> None:
        """The endpoint answered."""
        ...


class SecretSource(Protocol):
    """Where the secrets that targets name come from; see `shared.services.secret.secrets`."""

    async def load(self, names: Sequence[str]) -> Mapping[str, str]:
        """The values by name, as far as there are any."""
        ...


@dataclass(frozen=True, slots=True)
class Examination:
    """A reading with what it was judged from, for whoever wants to see more than is stored."""

    reading: Reading
    verdict: Verdict
    observation: Observation


class Collection:
    """Collects targets for one process. The bounds are those of the process, over all its jobs."""

    def __init__(
        self,
        collectors: Collectors,
        *,
        clock: Clock,
        target_slots: int,
        host_slots: int,
        breaker: CircuitBreaker | None = None,
        secrets: SecretSource | None = None,
    ) -> None:
        self._collectors = collectors
        self._clock = clock
        self._breaker = breaker
        self._secrets = secrets
        self._host_slots = host_slots
        self._slots = CollectionSlots(target_slots, wait_seconds=SLOT_WAIT_SECONDS)

    async def collect(self, target: Target, *, on_start: OnStart = _start_anyhow) -> Reading:
        """Collect one target; never raises for what the target does."""
        return (await self.examine(target, on_start=on_start)).reading

    async def collect_all(
        self, targets: Sequence[Target], *, on_collected: Callable[[int], None] = lambda _: None
    ) -> list[Reading]:
        """Collect targets concurrently, telling how many are done; the readings are in the order of the targets."""
        done = 0

        async def collect(target: Target) -> Reading:
            nonlocal done
            reading = await self.collect(target)
            done += 1
            on_collected(done)
            return reading

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(collect(target)) for target in targets]
        return [task.result() for task in tasks]

    async def examine(self, target: Target, *, on_start: OnStart = _start_anyhow) -> Examination:
        """Try until the target is not down or its retries are used up; the last try is what counts.

        With free slots each try takes at most the target's timeout and `OVERRUN_SECONDS`. The secrets that the target
        names are filled in first; no secret of it is told on by what is said of it.
        """
        names = secret_names_of(target)
        if not names:
            return _scrubbed(await self._examine_filled(target, on_start), target)
        try:
            values = {} if self._secrets is None else await self._secrets.load(names)
            filled = fill(target, values)
        except SecretMissingError as error:
            return self._fail(target, Fault("secret_missing", str(error), Blame.OURS))
        except StorageUnavailableError:
            return self._fail(target, _SECRETS_AWAY)
        return _scrubbed(await self._examine_filled(filled, on_start), filled, values=values.values())

    def _fail(self, target: Target, fault: Fault) -> Examination:
        """What is known of a target that could not be looked at."""
        observation = Observation(0.0, fault=fault)
        verdict = judge(observation, expect(target.kind, (), ()))
        return Examination(_read(observation, verdict, kind=target.kind, at=self._clock()), verdict, observation)

    async def _examine_filled(self, target: Target, on_start: OnStart) -> Examination:
        expectations = expect(target.kind, tuple(target.conditions), tuple(target.degraded_conditions))
        tries = 1
        examination = await self._try(target, expectations, on_start, tries=tries)
        while examination.reading.outcome is Outcome.DOWN and tries <= _retries_of(target):
            await asyncio.sleep(RETRY_PAUSE_SECONDS)
            tries += 1
            examination = await self._try(target, expectations, on_start, tries=tries)
        return examination

    async def close(self) -> None:
        """Let go of what the collectors keep open."""
        for collector in self._collectors.values():
            await collector.close()

    async def _try(self, target: Target, expectations: Expectations, on_start: OnStart, *, tries: int) -> Examination:
        """Try once; it is the try of the number `tries`."""
        try:
            async with self._slots.held(host_of(target), self._slots_of_host(target)):
                on_start()
                started_at = self._clock()
                observation = await self._observe_unless_open(target)
        except NoSlotError:
            started_at, observation = self._clock(), Observation(0.0, fault=_NO_SLOT)
        verdict = judge(observation, expectations)
        reading = _read(observation, verdict, kind=target.kind, at=started_at, tries=tries)
        return Examination(reading, verdict, observation)

    def _slots_of_host(self, target: Target) -> int:
        return DATABASE_SLOTS if isinstance(target, DatabaseTarget) else self._host_slots

    async def _observe_unless_open(self, target: Target) -> Observation:
        """Ask the breaker with the slot already held, so that whoever waited profits from what was learnt meanwhile."""
        endpoint = endpoint_of(target)
        if self._breaker is None or endpoint is None:
            return await self._observe(target)
        skip = await self._breaker.ask(endpoint)
        if skip is not None:
            return Observation(0.0, fault=_circuit_open(endpoint, skip))
        observation = await self._observe(target)
        if observation.fault is None or observation.fault.blame is Blame.TARGET:
            if observation.fault is not None and observation.fault.code in _TIMEOUT_CODES:
                await self._breaker.note_timeout(endpoint)
            else:
                await self._breaker.note_answer(endpoint)
        return observation

    async def _observe(self, target: Target) -> Observation:
        kind = SpanKind.INTERNAL if isinstance(target, FileTarget) else SpanKind.CLIENT
        with span(f"collect {target.kind}", kind) as looked:
            observation = await self._observe_in_time(target)
            if looked.is_recorded:
                _describe(looked, target, observation)
            return observation

    async def _observe_in_time(self, target: Target) -> Observation:
        limit = target.timeout.total_seconds() + OVERRUN_SECONDS
        try:
            async with asyncio.timeout(limit):
                return await self._collectors[target.kind].collect(target)
        except TimeoutError:
            _log.error("collector_overran", target=display_name(target), limit_seconds=limit)
            return Observation(limit * 1000, fault=_OVERRAN)
        except Exception as error:  # noqa: BLE001 - what a collector raises is our own error, by its contract.
            # Without the values of local variables, among which are the target's secrets.
            trace = "".join(traceback.format_tb(error.__traceback__))
            _log.error("collector_raised", target=display_name(target), error=type(error).__name__, traceback=trace)
            report_error(error, where="collector", kind=target.kind)
            return Observation(0.0, fault=_INTERNAL)


def _describe(looked: Span, target: Target, observation: Observation) -> None:
    looked.annotate({"tocsin.target.kind": target.kind, "tocsin.target.name": display_name(target)})
    if "STATUS" in observation.values:
        looked.annotate({"http.response.status_code": observation.values["STATUS"]})
    if observation.fault is not None:
        looked.fail(observation.fault.code)


def _retries_of(target: Target) -> int:
    """Files are looked at once: a second look would find the new lines already counted, and hide them."""
    return 0 if isinstance(target, FileTarget) else target.retries


def _circuit_open(endpoint: str, skip: Skip) -> Fault:
    sentence = f"{endpoint} was not dialled: it timed out {skip.timeouts} times in a row and was tried a moment ago"
    return Fault(CIRCUIT_OPEN, sentence, Blame.OURS)


def _read(observation: Observation, verdict: Verdict, *, kind: str, at: datetime, tries: int = 0) -> Reading:
    """What is kept of one try; `tries` is 0 where none was made."""
    found = {**observation.metrics, "tries": float(tries)} if tries else observation.metrics
    metrics = {
        name: round(number, 3)
        for name in METRICS[kind]
        if (number := found.get(name)) is not None and math.isfinite(number)
    }
    return Reading(
        verdict.outcome, round(observation.duration_ms, 3), at, metrics, code=verdict.code, message=verdict.message
    )


def _scrubbed(examination: Examination, target: Target, *, values: Iterable[str] = ()) -> Examination:
    """The examination, whose message tells nothing secret that a server has sent back to us."""
    reading = examination.reading
    if reading.message is None:
        return examination
    message = scrub(reading.message, [*secret_texts_of(target), *values])
    return replace(examination, reading=replace(reading, message=message))
