"""An API process as a user starts it."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from secret_keys import SECRET_KEY

START_SECONDS = 60


class ApiProcess:
    """`tocsin api` on a free port; its log is read from a file."""

    def __init__(self, directory: Path, **settings: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        environment |= {"TOCSIN_PORT": "0", "TOCSIN_LOG_FORMAT": "json", "TOCSIN_SECRET_KEYS": SECRET_KEY}
        self.log_path = directory / "api.log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "api"],
                env=environment | {f"TOCSIN_{name.upper()}": value for name, value in settings.items()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.port = 0

    @property
    def log(self) -> str:
        """What was written so far."""
        return self.log_path.read_text()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def wait_until_listening(self) -> "ApiProcess":
        """Wait for the line that names the port."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            for line in self.log.splitlines():
                if "api_listening" in line and line.endswith("}"):
                    self.port = json.loads(line)["port"]
                    return self
            time.sleep(0.02)
        raise AssertionError(f"the API did not start: {self.log}")

    def wait_until_ended(self) -> int:
        """Its exit code."""
        return self.process.wait(START_SECONDS)


@contextmanager
def api_process(**settings: str) -> Iterator[ApiProcess]:
    """An API process that is gone at the end of the block."""
    with tempfile.TemporaryDirectory() as directory:
        process = ApiProcess(Path(directory), **settings)
        try:
            yield process
        finally:
            process.process.kill()
            process.process.wait()
