"""Load by wrk: closed loops over keep-alive connections, bounded in time, told as figures."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LUA = Path(__file__).parent / "lua"


@dataclass(frozen=True)
class Load:
    """One run: answered requests, those that were errors, and latencies in milliseconds."""

    requests: int
    seconds: float
    errors: int
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def has_wrk() -> bool:
    """Whether the load generator is installed (Debian: `wrk`)."""
    return shutil.which("wrk") is not None


def run_wrk(url: str, script: str, *arguments: str, connections: int = 100, seconds: float = 3) -> Load:
    """Load `url` with the requests of a script in bench/lua; its arguments are the script's own.

    Raises:
        RuntimeError: wrk failed, or more than one request in a hundred did.
    """
    options = ["-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s", "-s", str(_LUA / script)]
    done = subprocess.run(
        ["wrk", *options, url, "--", *arguments],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
        env={"LUA_PATH": f"{_LUA}/?.lua", "PATH": "/usr/bin:/bin"},
    )
    found = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not found:
        raise RuntimeError(f"wrk failed:\n{done.stdout}\n{done.stderr}")
    load = _load_of(json.loads(found[-1]))
    if load.errors * 100 > load.requests:
        raise RuntimeError(f"{load.errors} of {load.requests} requests to {url} failed:\n{done.stdout}")
    return load


def _load_of(told: dict[str, float]) -> Load:
    return Load(
        requests=int(told["requests"]),
        seconds=told["duration_us"] / 1e6,
        errors=int(told["errors"]),
        p50_ms=told["p50_us"] / 1000,
        p99_ms=told["p99_us"] / 1000,
    )


def write_lines(path: Path, lines: Sequence[str]) -> str:
    """Write the lines a script reads; the path as the script takes it."""
    path.write_text("\n".join(lines) + "\n")
    return str(path)
