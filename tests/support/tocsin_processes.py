"""A worker as a user starts it, its log kept line by line."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secret_keys import SECRET_KEY

STOP_SECONDS = 60


@dataclass
class WorkerProcess:
    """`tocsin worker`; its log is JSON in a file."""

    process: "subprocess.Popen[bytes]"
    log_path: Path

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What was logged so far; a line that is not JSON raises."""
        return [json.loads(line) for line in self.log_path.read_text().splitlines()]

    def stop(self) -> int:
        """Ask it to end and wait for that; its exit code."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)


@contextmanager
def logged_worker(**settings: str) -> Iterator[WorkerProcess]:
    """A worker that may dial loopback; it is gone at the end of the block."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    environment |= {"TOCSIN_LOG_FORMAT": "json", "TOCSIN_EGRESS_LOOPBACK": "true", "TOCSIN_SECRET_KEYS": SECRET_KEY}
    environment |= {f"TOCSIN_{name.upper()}": value for name, value in settings.items()}
    with tempfile.TemporaryDirectory() as directory:
        log_path = Path(directory) / "worker.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "worker"], env=environment, stdin=subprocess.DEVNULL, stderr=log
            )
        try:
            yield WorkerProcess(process, log_path)
        finally:
            process.kill()
            process.wait()
