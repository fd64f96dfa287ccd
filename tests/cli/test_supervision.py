from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from cli.embedded.errors import EmbeddedServerError
from cli.restarts import MAX_QUICK_DEATHS, QUICK_SECONDS
from cli.supervision import GaveUpError, Supervisor, TocsinProcess, stop_all


@dataclass
class FakeProcess:
    """Dies when told to; `failures` are what its next starts raise."""

    name: str = "worker 1"
    code: int | None = None
    starts: int = 0
    failures: list[Exception] = field(default_factory=list)

    def start(self) -> None:
        self.starts += 1
        if self.failures:
            raise self.failures.pop(0)
        self.code = None

    def exit_code(self) -> int | None:
        return self.code


@dataclass
class Hands:
    """A clock that stands still until it is moved."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def look_at(supervisor: Supervisor, clock: Hands, moments: Iterable[float]) -> None:
    for seconds in moments:
        clock.now += seconds
        supervisor.look()


def test_a_dead_process_is_restarted_after_its_delay() -> None:
    """Not at once, and once only."""
    process, clock = FakeProcess(), Hands()
    supervisor = Supervisor([process], clock=clock)
    process.code = 1
    look_at(supervisor, clock, [1, 0.3])
    assert process.starts == 0
    look_at(supervisor, clock, [0.3, 1, 1])
    assert process.starts == 1


def test_a_process_that_dies_at_once_again_and_again_is_given_up() -> None:
    """The message names the process and what it ended with."""
    process, clock = FakeProcess(name="api"), Hands()
    supervisor = Supervisor([process], clock=clock)

    def die_for_ever() -> None:
        for _ in range(1000):
            process.code = 9
            look_at(supervisor, clock, [0.1])

    with pytest.raises(GaveUpError, match=rf"api died {MAX_QUICK_DEATHS} times in a row \(exit code 9\)"):
        die_for_ever()
    assert process.starts == MAX_QUICK_DEATHS - 1


def test_a_restart_that_fails_counts_as_a_death() -> None:
    """An embedded server that cannot start is tried again, too."""
    process, clock = FakeProcess(failures=[EmbeddedServerError("no space")]), Hands()
    supervisor = Supervisor([process], clock=clock)
    process.code = 1
    look_at(supervisor, clock, [0.1, 0.6, 0.5])
    assert process.starts == 1
    look_at(supervisor, clock, [0.6])
    assert (process.starts, process.code) == (2, None)


def test_a_process_that_lived_long_is_always_restarted() -> None:
    """Only quick deaths count."""
    process, clock = FakeProcess(), Hands()
    supervisor = Supervisor([process], clock=clock)
    for _ in range(MAX_QUICK_DEATHS * 2):
        clock.now += QUICK_SECONDS
        process.code = 1
        look_at(supervisor, clock, [0.1, 1])
    assert process.starts == MAX_QUICK_DEATHS * 2


def test_stopping_what_was_never_started_is_harmless() -> None:
    """`up` stops its list also when it failed half-way."""
    process = TocsinProcess("api", ["api"], environment={})
    stop_all([process], within_seconds=0, is_hurried=lambda: True)
    assert (process.pid, process.exit_code()) == (None, None)
