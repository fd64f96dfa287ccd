"""What is left of a queue's jobs when a worker is killed, and when Valkey forgets everything."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from bench.harness import Servers
from bench.processes import Measured
from bench.queue_runs import Running, running
from bench.queue_systems import System
from bench.server_counters import wipe_redis

HELD = 8
"""Jobs that two workers hold when one of them is killed."""

START_SECONDS = 30.0
KILL_PATIENCE_SECONDS = 60.0
QUEUED = 1000
QUIET_SECONDS = 5.0
"""A queue without rows that has run nothing for so long after the wipe has lost the rest."""

TRICKLE = 5.0
"""Other jobs a second after the kill; some systems look for lost jobs only when new ones come."""


@dataclass
class Disasters:
    """By system: seconds until the last job had ended elsewhere, and how many of how many had. One value a round."""

    killed: dict[str, list[tuple[float, int, int]]] = field(default_factory=lambda: defaultdict(list))
    wiped: dict[str, list[tuple[float, int, bool]]] = field(default_factory=lambda: defaultdict(list))


def kills(systems: Sequence[System], servers: Servers, into: Disasters) -> None:
    """Kill a worker of each system, all at the same time, because nearly all of it is waiting."""

    def kill_all_ways(system: System) -> None:
        for name in system.recoveries:
            into.killed[f"{system.name}: {name}"].append(_kill_once(system.recovering(name), servers))

    with ThreadPoolExecutor(len(systems)) as pool:
        list(pool.map(kill_all_ways, systems))


def _kill_once(system: System, servers: Servers) -> tuple[float, int, int]:
    with running(system, servers, workers=2) as run:
        run.told.gate.touch()
        try:
            run.produce("hold", HELD)
            _wait_until(lambda: len(run.told.held()) == HELD, START_SECONDS, f"{system.name} holds its jobs")
            victim = max(run.workers, key=lambda worker: len(_held_by(run, worker)))
            lost = _held_by(run, victim)
            killed_at = time.time()
            victim.kill()
        finally:
            run.told.gate.unlink()
        with run.producing("steady", int(KILL_PATIENCE_SECONDS * TRICKLE), TRICKLE):
            ended = _ended_of(run, lost)
    return max(ended, default=killed_at) - killed_at, len(ended), len(lost)


def _held_by(run: Running, worker: Measured) -> set[int]:
    pids = set(worker.pids)
    return {number for number, pid in run.told.held().items() if pid in pids}


def _ended_of(run: Running, lost: set[int]) -> list[float]:
    deadline = time.monotonic() + KILL_PATIENCE_SECONDS
    while time.monotonic() < deadline and not lost <= run.told.ended().keys():
        time.sleep(0.05)
    return [at for number, at in run.told.ended().items() if number in lost]


def wipe_once(system: System, servers: Servers, into: Disasters) -> None:
    """Wipe Valkey while a thousand jobs wait in it; then see how many are run, and whether a new job is."""
    with running(system, servers, workers=1) as run:
        with run.filled(QUEUED):
            wipe_redis(servers)
            wiped_at = time.time()
        last, ended = _wait_for_rest(run, wiped_at)
        is_working = ended == QUEUED or _runs_a_new_one(run, ended)
    into.wiped[system.name].append((last - wiped_at, ended, is_working))


def _wait_for_rest(run: Running, wiped_at: float) -> tuple[float, int]:
    if run.system.has_rows:
        _, last = run.wait(QUEUED)
        return last, QUEUED
    seen, since = 0, time.monotonic()
    while seen < QUEUED and time.monotonic() - since < QUIET_SECONDS:
        time.sleep(0.05)
        if (count := run.told.count()) > seen:
            seen, since = count, time.monotonic()
    return max((line["last"] for line in run.told.lines() if "last" in line), default=wiped_at), seen


def _runs_a_new_one(run: Running, ended: int) -> bool:
    run.produce("fill", 1)
    try:
        run.told.wait_for(ended + 1, within_seconds=QUIET_SECONDS)
    except TimeoutError:
        return False
    return True


def _wait_until(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain until {what}")
        time.sleep(0.05)
