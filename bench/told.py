"""What workers have told: the lines that `bench.peers.tally` writes, and the gate that held jobs look at."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Told:
    """The file of one system's workers."""

    directory: Path
    slug: str

    @property
    def path(self) -> Path:
        """The file of lines."""
        return self.directory / f"{self.slug}.told"

    @property
    def gate(self) -> Path:
        """While it exists, held jobs are held."""
        return self.directory / f"{self.slug}.gate"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which workers find both."""
        return {"BENCH_TOLD": str(self.path), "BENCH_GATE": str(self.gate)}

    def clear(self) -> None:
        """Forget what was told."""
        self.path.write_text("")

    def lines(self) -> list[dict[str, Any]]:
        """All whole lines."""
        return [json.loads(line) for line in self.path.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def count(self) -> int:
        """How many jobs were told to have ended."""
        return sum(line.get("count", 0) for line in self.lines())

    def wait_for(self, jobs: int, *, within_seconds: float = PATIENCE_SECONDS) -> tuple[float, float]:
        """Wait until so many jobs were told; return when the first began and the last ended.

        Raises:
            TimeoutError: fewer were told in that time.
        """
        deadline = time.monotonic() + within_seconds
        while self.count() < jobs:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.slug}: {self.count()} of {jobs} jobs were told")
            time.sleep(0.05)
        lines = [line for line in self.lines() if "count" in line]
        return min(line["first"] for line in lines), max(line["last"] for line in lines)

    def lags_ms(self) -> list[float]:
        """From submitting to starting, milliseconds a job."""
        return [lag * 1000 for line in self.lines() for lag in line.get("lags", ())]

    def held(self) -> dict[int, int]:
        """The process that holds each held job, or held it last."""
        return {int(line["held"]): line["pid"] for line in self.lines() if "held" in line}

    def ended(self) -> dict[int, float]:
        """When each held job ended last."""
        return {int(line["ended"]): line["at"] for line in self.lines() if "ended" in line}
