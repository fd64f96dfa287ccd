"""The process that is watched and told (`bench.peers.alarm`), asked from here."""

import json
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.harness import answers, free_port
from bench.processes import measured

OURS, THEIRS = "Tocsin", "Prometheus"
"""The sides."""


@dataclass(frozen=True)
class ToldSide:
    """When targets were first seen broken and first told of, by their numbers, in seconds since 1970."""

    seen: Mapping[str, float]
    told: Mapping[str, float]
    notices: int
    last_notice_at: float

    def latencies_ms(self) -> list[float]:
        """From the first look that found a target broken to the request that told of it."""
        return [(self.told[number] - seen) * 1000 for number, seen in self.seen.items() if number in self.told]


@dataclass(frozen=True)
class Alarm:
    """Where it is."""

    port: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def target(self, side: str, number: int) -> str:
        """The path of a target."""
        return f"/look/{side}/{number}"

    def hook(self, side: str) -> str:
        """Where a side tells."""
        return f"{self.url}/hook/{side}"

    def break_them(self, side: str, moments: Mapping[int, float]) -> None:
        """Break targets at moments, in seconds since 1970; what the side had told before is forgotten."""
        body = json.dumps({str(number): moment for number, moment in moments.items()}).encode()
        request = urllib.request.Request(f"{self.url}/broken/{side}", body, method="PUT")
        with urllib.request.urlopen(request, timeout=10):
            pass

    def told(self, side: str) -> ToldSide:
        """What it knows of a side."""
        with urllib.request.urlopen(f"{self.url}/told/{side}", timeout=30) as answer:
            told: dict[str, Any] = json.load(answer)
        return ToldSide(told["seen"], told["told"], told["notices"], told["last_notice_at"])

    def wait_for(self, side: str, alerts: int, *, within_seconds: float) -> ToldSide:
        """Wait until so many alerts were told, or for so long."""
        deadline = time.monotonic() + within_seconds
        while len((told := self.told(side)).told) < alerts and time.monotonic() < deadline:
            time.sleep(0.5)
        return told


@contextmanager
def alarm(directory: Path) -> Iterator[Alarm]:
    """Run it for the block."""
    port = free_port()
    argv = [sys.executable, "-m", "bench.peers.alarm", str(port)]
    with measured("alarm", argv, log_dir=directory) as process:
        found = Alarm(port)
        process.wait_until(lambda: answers(f"{found.url}/told/nobody"))
        yield found
