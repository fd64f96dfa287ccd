import os
import signal
import sys
from pathlib import Path

import pytest
from processes import wait_for

from cli.embedded.errors import EmbeddedServerError
from cli.embedded.guarded import GuardedProcess, Plan, start_guarded

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)
NOISY = "for number in range(2000): print(f'line {number:04} of many', flush=True)"
SAYS_GOODBYE = """
import signal, sys
print("up", flush=True)
signal.sigwait([signal.SIGTERM])
print("goodbye", flush=True)
"""
BLOCKED = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"


def start(tmp_path: Path, program: str, *, log_bytes: int = 1_000_000) -> GuardedProcess:
    return start_guarded(
        Plan(
            argv=[sys.executable, "-c", program],
            cwd=str(tmp_path),
            env={},
            log=str(tmp_path / "server.log"),
            stop=(("SIGTERM", 0.3),),
            log_bytes=log_bytes,
        )
    )


def has_logged(tmp_path: Path, words: str) -> None:
    log = tmp_path / "server.log"
    wait_for(lambda: log.exists() and words in log.read_text(), what=f"the log says {words!r}")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_stop_sends_the_signal_and_logs_the_last_words(tmp_path: Path) -> None:
    """What a server says while it ends is what one needs when it does not."""
    process = start(tmp_path, BLOCKED + SAYS_GOODBYE)
    has_logged(tmp_path, "up")
    process.stop()
    assert process.exit_code() == 0
    assert (tmp_path / "server.log").read_text() == "up\ngoodbye\n"


def test_a_server_that_does_not_listen_is_killed_in_the_end(tmp_path: Path) -> None:
    """Every wait has an end."""
    process = start(tmp_path, STUBBORN)
    has_logged(tmp_path, "deaf")
    process.stop()
    assert not is_alive(process.server_pid)


def test_a_log_is_kept_within_its_bound(tmp_path: Path) -> None:
    """The newest lines are in the log, older ones in one file beside it, the oldest are gone."""
    process = start(tmp_path, NOISY, log_bytes=5000)
    process.guard.wait(30)
    process.stop()
    log, older = tmp_path / "server.log", tmp_path / "server.log.1"
    assert log.stat().st_size + older.stat().st_size <= 10_000
    assert (older.read_text() + log.read_text()).endswith("line 1998 of many\nline 1999 of many\n")


def test_a_death_is_told_by_the_exit_code(tmp_path: Path) -> None:
    """Unlike a stop that was asked for."""
    process = start(tmp_path, "raise SystemExit(7)")
    assert process.guard.wait(30) == 7
    process.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_guard_stops_the_server(tmp_path: Path, number: signal.Signals) -> None:
    """As when the system shuts down and asks every process to end."""
    process = start(tmp_path, BLOCKED + SAYS_GOODBYE)
    has_logged(tmp_path, "up")
    process.guard.send_signal(number)
    assert process.guard.wait(30) == 0
    assert "goodbye" in (tmp_path / "server.log").read_text()
    process.stop()


def test_a_program_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    """With what the system said."""
    plan = Plan(argv=["/nowhere/postgres"], cwd="/", env={}, log=str(tmp_path / "log"), stop=(("SIGTERM", 1.0),))
    with pytest.raises(EmbeddedServerError, match=r"/nowhere/postgres could not be started: .*No such file"):
        start_guarded(plan)
