"""What the doctor makes of the workers and of what upkeep would not leave lying."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shared.domain.fleet.diagnosis import Finding, Level
from shared.domain.fleet.queues import queue_name
from shared.domain.fleet.workers import Liveness, Worker

UNRUNG_WARNED_SECONDS = 10.0
UNRUNG_FAILED_SECONDS = 60.0
OVERDUE_FAILED_SECONDS = 30.0
"""Leases are taken back within seconds of their end; a job whose lease ran out so long ago shows that nobody does."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """How upkeep is doing, by what it would not leave lying; ages in seconds, 0 when there is none."""

    oldest_unrung_seconds: float
    oldest_overdue_lease_seconds: float
    expired_leases: int
    blocked: Mapping[str, int]
    paused_queues: Sequence[str]


def judge_fleet(workers: Sequence[Worker], *, own_version: str) -> Iterator[Finding]:
    """Who works, and whether all are of one version."""
    alive = [worker for worker in workers if worker.liveness is Liveness.ALIVE]
    silent = [worker for worker in workers if worker.liveness is Liveness.SILENT]
    versions = sorted({worker.version for worker in alive})
    if not alive:
        yield Finding("workers", Level.FAIL, "none is alive", "start one by `tocsin worker`, or all by `tocsin up`")
    elif set(versions) - {own_version}:
        message = f"{len(alive)} alive, of version {', '.join(versions)}; this is {own_version}"
        yield Finding("workers", Level.WARN, message, "end the upgrade: restart the processes of the old version")
    else:
        slots = sum(worker.slots for worker in alive)
        message = (
            f"{len(alive)} alive, version {own_version}, {sum(worker.busy for worker in alive)} of {slots} slots busy"
        )
        yield Finding("workers", Level.OK, message)
    if silent:
        names = ", ".join(worker.worker_id for worker in silent[:5])
        yield Finding(
            "silent",
            Level.WARN,
            f"{len(silent)} fell silent: {names}",
            "look at their logs; their jobs go on elsewhere",
        )


def judge_jobs(facts: JobFacts) -> Iterator[Finding]:
    """Whether upkeep mends what it should, and what is held back."""
    yield _judge_unrung(facts.oldest_unrung_seconds)
    overdue = facts.oldest_overdue_lease_seconds
    message = (
        f"{facts.expired_leases} ran out, the oldest {overdue:.0f} s ago" if facts.expired_leases else "none ran out"
    )
    if overdue > OVERDUE_FAILED_SECONDS:
        yield Finding(
            "leases", Level.FAIL, message, "nobody takes these jobs back: start a worker, look for `duty_failed`"
        )
    else:
        yield Finding("leases", Level.OK, message)
    held = ", ".join(f"{count} by {reason}" for reason, count in sorted(facts.blocked.items()))
    paused = f"; paused: {', '.join(map(queue_name, facts.paused_queues))}" if facts.paused_queues else ""
    if facts.paused_queues:
        message = f"{held or 'none'}{paused}"
        yield Finding("held back", Level.WARN, message, "resume the queues if that was not meant")
    else:
        yield Finding("held back", Level.OK, held or "none")


def _judge_unrung(seconds: float) -> Finding:
    message = f"the oldest has waited {seconds:.0f} s for its ring" if seconds else "every queued job was rung"
    if seconds > UNRUNG_FAILED_SECONDS:
        return Finding("rings", Level.FAIL, message, "nobody relays: start a worker, look for `duty_failed` in its log")
    if seconds > UNRUNG_WARNED_SECONDS:
        return Finding("rings", Level.WARN, message, "the relay is behind; look again in a minute")
    return Finding("rings", Level.OK, message)
