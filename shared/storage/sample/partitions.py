"""Which partitions there are, by name and span: samples and notes by day, chunks and hours by month."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal


@dataclass(frozen=True, slots=True)
class Span:
    """One partition: its table's name and the half-open time it holds."""

    name: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Partitioning:
    """How one table is divided by time (UTC)."""

    table: str
    column: str
    unit: Literal["day", "month"]

    def span_of(self, moment: datetime) -> Span:
        """The partition that `moment` (aware, UTC) falls into."""
        day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        if self.unit == "day":
            return Span(f"{self.table}_{day:%Y%m%d}", day, day + timedelta(days=1))
        first = day.replace(day=1)
        return Span(f"{self.table}_{day:%Y%m}", first, (first + timedelta(days=32)).replace(day=1))

    def start_of(self, name: str) -> datetime:
        """When the partition of this name begins."""
        digits = name.removeprefix(f"{self.table}_")
        return datetime.strptime(digits if self.unit == "day" else f"{digits}01", "%Y%m%d").replace(tzinfo=UTC)

    def spans_of(self, moments: Iterable[datetime]) -> list[Span]:
        """The partitions that `moments` fall into, oldest first, each once."""
        return sorted({self.span_of(moment) for moment in moments}, key=lambda span: span.start)

    @property
    def name_pattern(self) -> str:
        """The regular expression (PostgreSQL's and Python's) that the names of its partitions match."""
        return f"^{self.table}_[0-9]{{{8 if self.unit == 'day' else 6}}}$"


def is_partition(table: str) -> bool:
    """Whether a table of this name is a partition, which upkeep makes and drops, not a migration."""
    return any(re.match(each.name_pattern, table) for each in (SAMPLES, HOURS, CHUNKS, NOTES))


SAMPLES = Partitioning("sample", "ts", "day")
HOURS = Partitioning("rollup_1h", "bucket", "month")
CHUNKS = Partitioning("sample_chunk", "day", "month")
NOTES = Partitioning("sample_note", "ts", "day")
