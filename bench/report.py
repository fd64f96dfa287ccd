"""What was measured, as Markdown: printed, and kept in bench/results/."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Spread:
    """A figure over its runs: the median, and how far the runs lie apart."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        """The middle of the runs."""
        return median(self.values)

    def __str__(self) -> str:
        low, high = min(self.values), max(self.values)
        return f"{number(self.median)} ({number(low)}-{number(high)})"


def number(value: float) -> str:
    """A figure with as many digits as it deserves."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def ratio(ours: float, peer: float) -> str:
    """How many times `peer` goes into `ours`."""
    return f"{ours / peer:.1f} x" if peer else "-"


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(headings) + " |", "|" + " --- |" * len(headings)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def publish(name: str, parts: Sequence[str]) -> None:
    """Print the tables and keep them."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    load = os.getloadavg()[0]
    machine = f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    text = "\n\n".join([f"## {name}", f"{now}; {machine}; load when it ended {load:.1f}.", *parts]) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text)
    print(text)
