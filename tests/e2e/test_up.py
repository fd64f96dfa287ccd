import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree

import httpx2
import pytest
from processes import processes_of, wait_for


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Where this test's Tocsin keeps its data; the servers' user can go there also when the tests run as root."""
    parent = Path(tempfile.mkdtemp(prefix="tocsin-"))
    parent.chmod(0o711)
    yield parent / "data"
    rmtree(parent)


@dataclass
class Up:
    """A running `tocsin up` and what it printed until it was ready."""

    process: "subprocess.Popen[str]"
    said: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        found = re.search(r"http://127\.0\.0\.1:\d+", "".join(self.said))
        assert found is not None, self.said
        return found[0]

    def pids_of(self, pattern: str) -> list[int]:
        return [int(pid) for pid in re.findall(rf"{pattern} \(pid (\d+)\)", "".join(self.said))]

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def environment_of(data_dir: Path, **settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return kept | {"TOCSIN_DATA_DIR": str(data_dir), "TOCSIN_PORT": "0", **settings}


@contextmanager
def tocsin_up(data_dir: Path, *arguments: str, **settings: str) -> Iterator[Up]:
    """Start it and wait for its last line; kill it in the end, whatever happened."""
    command = [sys.executable, "-m", "cli.main", "up", *arguments]
    with subprocess.Popen(
        command, env=environment_of(data_dir, **settings), stdout=subprocess.PIPE, text=True
    ) as process:
        up = Up(process)
        assert process.stdout is not None
        try:
            for line in process.stdout:
                up.said.append(line)
                if "Ctrl-C" in line:
                    break
            yield up
        finally:
            process.kill()
            process.wait(10)
            wait_for(lambda: processes_of(data_dir) == {}, what="no process of the data directory is left")


def refused(data_dir: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    """What it says when it does not start."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", "up", "--workers", "0"],
        env=environment_of(data_dir, **settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


FILE = {"kind": "file", "path": "/var/log/nothing"}


def submit(up: Up, target: dict[str, str] = FILE) -> str:
    answer = httpx2.post(f"{up.address}/api/v1/jobs", json={"kind": "collect", "targets": [target]})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def state_of(up: Up, job_id: str) -> str:
    answer = httpx2.get(f"{up.address}/api/v1/jobs/{job_id}")
    return str(answer.json()["state"])


def test_it_comes_up_works_stops_cleanly_and_remembers(data_dir: Path) -> None:
    """A job is done by the workers, Ctrl-C leaves no process, and the next start still knows the job."""
    with tocsin_up(data_dir, "--workers", "2") as up:
        assert len(up.pids_of(r"worker \d")) == 2
        assert "none needed" in "".join(up.said)
        assert str(data_dir) in "".join(up.said)
        job_id = submit(up)
        wait_for(lambda: state_of(up, job_id) == "succeeded", what="the job is done")
        assert up.stop() == 0
        assert processes_of(data_dir) == {}
    with tocsin_up(data_dir, "--workers", "0") as again:
        assert state_of(again, job_id) == "succeeded"
        assert again.stop(signal.SIGTERM) == 0


def test_what_was_submitted_without_workers_is_done_by_the_next_start(data_dir: Path) -> None:
    """Nothing that was accepted is lost over a stop."""
    with tocsin_up(data_dir, "--workers", "0") as up:
        job_id = submit(up)
        assert state_of(up, job_id) == "queued"
        assert up.stop() == 0
    with tocsin_up(data_dir, "--workers", "1") as again:
        wait_for(lambda: state_of(again, job_id) == "succeeded", what="the job is done")
        assert again.stop() == 0


def test_a_second_ctrl_c_does_not_wait_for_running_jobs(data_dir: Path) -> None:
    """The first lets a job run to its end, for ten minutes here; the job is kept and taken up by the next start."""
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        tocsin_up(data_dir, "--workers", "1", TOCSIN_DRAIN_SECONDS="600") as up,
    ):
        target = {"kind": "http", "url": f"http://127.0.0.1:{silent.getsockname()[1]}/", "timeout": "60s"}
        job_id = submit(up, target)
        wait_for(lambda: state_of(up, job_id) == "running", what="the job runs")
        up.process.send_signal(signal.SIGINT)
        wait_for(lambda: not answers(up), what="the API stops")
        assert up.process.poll() is None
        assert up.stop() == 0
        assert processes_of(data_dir) == {}


def test_a_key_is_made_beside_the_running_api(data_dir: Path) -> None:
    """`tocsin keys` finds the embedded database by the data directory."""
    with tocsin_up(data_dir, "--workers", "0") as up:
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", "keys", "create", "ci", "--scope", "read"],
            env=environment_of(data_dir),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        headers = {"Authorization": f"Bearer {done.stdout.strip()}"}
        assert httpx2.get(f"{up.address}/api/v1/jobs", headers=headers).status_code == 200
        assert up.stop() == 0


def test_killing_it_leaves_no_process_and_what_was_committed(data_dir: Path) -> None:
    """SIGKILL cannot be handled, so API, workers and servers notice by themselves."""
    with tocsin_up(data_dir, "--workers", "1") as up:
        job_id = submit(up)
        up.process.kill()
        wait_for(lambda: processes_of(data_dir) == {}, what="no process of the data directory is left")
    with tocsin_up(data_dir, "--workers", "1") as again:
        wait_for(lambda: state_of(again, job_id) == "succeeded", what="the job is done")


def test_a_process_or_server_that_dies_is_started_again(data_dir: Path) -> None:
    """Whatever is killed, in the end a job is done again."""
    with tocsin_up(data_dir, "--workers", "1", TOCSIN_LEASE_SECONDS="2") as up:
        for pattern in (r"worker \d", "api", "Valkey", "PostgreSQL"):
            [pid] = up.pids_of(pattern)
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: answers(up), what="the API answers again")
        job_id = submit(up)
        wait_for(lambda: state_of(up, job_id) == "succeeded", what="the job is done")
        assert up.stop() == 0
        assert processes_of(data_dir) == {}


def answers(up: Up) -> bool:
    try:
        return httpx2.get(f"{up.address}/readyz").status_code == 200
    except httpx2.TransportError:
        return False


def test_a_second_one_on_the_same_data_says_who_has_it(data_dir: Path) -> None:
    """Also when it would have been refused the port, for this is what it means."""
    with tocsin_up(data_dir, "--workers", "0") as up:
        port = up.address.rpartition(":")[2]
        done = refused(data_dir, TOCSIN_PORT=port)
        assert done.returncode == 1
        assert f"in use by process {up.process.pid}." in done.stderr
        assert up.stop() == 0


def test_a_taken_port_is_refused_before_anything_is_started(data_dir: Path) -> None:
    """No cluster is made for nothing."""
    other = data_dir.with_name("other")
    with tocsin_up(data_dir, "--workers", "0") as up:
        done = refused(other, TOCSIN_PORT=up.address.rpartition(":")[2])
        assert done.returncode == 1
        assert "is taken by another program" in done.stderr
        assert not (other / "postgres").exists()


def test_it_is_not_open_to_others_without_a_key(data_dir: Path) -> None:
    """Bound to more than loopback and nobody could be told from anybody."""
    done = refused(data_dir, TOCSIN_HOST="0.0.0.0")
    assert done.returncode == 2
    assert "TOCSIN_ADMIN_KEY" in done.stderr
    assert processes_of(data_dir) == {}


def test_servers_that_are_given_are_used(data_dir: Path, empty_database_url: str, redis_url: str) -> None:
    """Nothing embedded is started, the given database is migrated, and a key is needed there."""
    with tocsin_up(
        data_dir, "--workers", "0", TOCSIN_DATABASE_URL=empty_database_url, TOCSIN_REDIS_URL=redis_url
    ) as up:
        assert "PostgreSQL (pid" not in "".join(up.said)
        assert not data_dir.exists()
        assert httpx2.get(f"{up.address}/api/v1/jobs").status_code == 401
        assert up.stop() == 0
