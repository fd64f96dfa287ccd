"""A real Prometheus and a real Alertmanager, each with a directory of its own, on loopback."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from processes import wait_for

from cli.readiness import free_port

HOST = "127.0.0.1"


class Program:
    """A program that listens; its log is in its directory."""

    def __init__(self, command: list[str], port: int, directory: Path) -> None:
        self.url = f"http://{HOST}:{port}"
        self.log_path = directory / "log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def get(self, path: str) -> Any:
        """What it answers, as JSON."""
        return httpx2.get(f"{self.url}{path}", timeout=10).raise_for_status().json()

    def is_ready(self) -> bool:
        """Whether it answers; an end of its own is an error."""
        assert self.process.poll() is None, self.log_path.read_text()
        try:
            return httpx2.get(f"{self.url}/-/ready", timeout=5).is_success
        except httpx2.TransportError:
            return False


@contextmanager
def _run(command: list[str], port: int, directory: Path) -> Iterator[Program]:
    program = Program(command, port, directory)
    try:
        wait_for(program.is_ready, what=f"{command[0]} to listen: {program.log_path}")
        yield program
    finally:
        program.process.kill()
        program.process.wait()


@contextmanager
def alertmanager(directory: Path, *, webhook: dict[str, Any]) -> Iterator[Program]:
    """An Alertmanager without peers that tells each alert by itself and at once; `webhook` is its `webhook_configs`."""
    config = {
        "route": {
            "receiver": "hook",
            "group_by": ["..."],
            "group_wait": "0s",
            "group_interval": "1s",
            "repeat_interval": "1h",
        },
        "receivers": [{"name": "hook", "webhook_configs": [webhook]}],
    }
    # JSON is YAML.
    (directory / "config.yml").write_text(json.dumps(config))
    port = free_port(HOST, 0)
    command = [
        "prometheus-alertmanager",
        f"--config.file={directory}/config.yml",
        f"--storage.path={directory}/data",
        f"--web.listen-address={HOST}:{port}",
        "--cluster.listen-address=",
    ]
    with _run(command, port, directory) as program:
        yield program


@contextmanager
def prometheus(directory: Path, *, rules: list[dict[str, Any]], receiver: dict[str, Any]) -> Iterator[Program]:
    """A Prometheus that scrapes nothing and judges `rules` each second; `receiver` is one of its `alertmanagers`."""
    (directory / "rules.yml").write_text(json.dumps({"groups": [{"name": "tests", "rules": rules}]}))
    config = {
        "global": {"evaluation_interval": "1s"},
        "rule_files": [f"{directory}/rules.yml"],
        "alerting": {"alertmanagers": [receiver]},
    }
    (directory / "config.yml").write_text(json.dumps(config))
    port = free_port(HOST, 0)
    command = [
        "prometheus",
        f"--config.file={directory}/config.yml",
        f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address={HOST}:{port}",
        "--web.enable-lifecycle",
        # It knows its receivers some seconds after its first alert, and would send that again after a minute.
        "--rules.alert.resend-delay=1s",
    ]
    with _run(command, port, directory) as program:
        yield program
