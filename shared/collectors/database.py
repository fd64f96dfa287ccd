"""The `database` collector: one shape for every kind of database, the driver chosen by the DSN's scheme."""

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from shared.domain.target.dsn import DatabaseAddress, parse_dsn
from shared.domain.target.observation import Fault, Observation
from shared.domain.target.targets import DatabaseTarget

REMEMBERED_DATABASES = 10_000
LEAST_RATE_SECONDS = 0.1
"""Two looks closer than this give no rate worth the name."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a database: `query` is None when only its health is of interest."""

    query: str | None
    max_rows: int
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class TransactionCount:
    """How many transactions a database has ended so far, and when it said so (seconds of its own clock)."""

    count: int
    at_seconds: float


@dataclass(frozen=True, slots=True)
class DatabaseAnswer:
    """What a database said; `row_count` is one more than the cap when there were more rows than that.

    Values of `first_row` are numbers, strings, booleans or None. What the database does not tell is None.
    """

    connect_ms: float
    query_ms: float
    first_row: Mapping[str, Any] | None = None
    row_count: int | None = None
    connections: int | None = None
    transactions: TransactionCount | None = None


@dataclass(frozen=True, slots=True)
class DatabaseFailure:
    """Why a database gave no answer, and whether it had let us in before."""

    fault: Fault
    duration_ms: float
    is_connected: bool


class DatabaseDriver(Protocol):
    """Speaks with one kind of database; keeps within the timeout, never raises for what the database does."""

    async def ask(self, address: DatabaseAddress, question: Question) -> DatabaseAnswer | DatabaseFailure:
        """Connect, ask inside a read-only transaction, and let go."""
        ...


class DatabaseCollector:
    """Collects databases. `drivers` are by the scheme of the DSN, as `parse_dsn` gives it."""

    def __init__(self, drivers: Mapping[str, DatabaseDriver]) -> None:
        self._drivers = drivers
        self._counts: OrderedDict[tuple[str, int, str], TransactionCount] = OrderedDict()

    async def collect(self, target: DatabaseTarget) -> Observation:
        """Ask the database once; the timeout is for the whole of it."""
        address = parse_dsn(target.dsn.get_secret_value())
        question = Question(target.query, target.max_rows, target.timeout.total_seconds())
        answer = await self._drivers[address.scheme].ask(address, question)
        if isinstance(answer, DatabaseFailure):
            return Observation(answer.duration_ms, {"CONNECTED": answer.is_connected}, {}, answer.fault)
        rate = self._rate(address, answer.transactions)
        return Observation(answer.connect_ms + answer.query_ms, _values(answer), _metrics(answer, rate))

    async def close(self) -> None:
        """Nothing is kept open between two looks."""

    def _rate(self, address: DatabaseAddress, count: TransactionCount | None) -> float | None:
        """Transactions per second since this worker process last looked at the database; None the first time."""
        if count is None:
            return None
        key = (address.host, address.port, address.database)
        last = self._counts.get(key)
        if last is not None and 0 <= count.at_seconds - last.at_seconds < LEAST_RATE_SECONDS:
            return None
        self._counts[key] = count
        self._counts.move_to_end(key)
        if len(self._counts) > REMEMBERED_DATABASES:
            self._counts.popitem(last=False)
        if last is None or count.count < last.count or count.at_seconds <= last.at_seconds:
            return None
        return (count.count - last.count) / (count.at_seconds - last.at_seconds)


def _values(answer: DatabaseAnswer) -> dict[str, Any]:
    values: dict[str, Any] = {
        "CONNECTED": True,
        "RESPONSE_TIME": answer.connect_ms + answer.query_ms,
        "ROWS": answer.row_count,
        "CONNECTIONS": answer.connections,
    }
    if answer.first_row is not None:
        values |= {"ROW": answer.first_row, "VALUE": next(iter(answer.first_row.values()), None)}
    return {name: value for name, value in values.items() if value is not None}


def _metrics(answer: DatabaseAnswer, rate: float | None) -> dict[str, float]:
    value = next(iter(answer.first_row.values()), None) if answer.first_row else None
    metrics = {
        "value": float(value) if isinstance(value, int | float) and math.isfinite(value) else None,
        "rows": answer.row_count,
        "connect_ms": answer.connect_ms,
        "query_ms": answer.query_ms,
        "connections": answer.connections,
        "transactions_per_second": rate,
    }
    return {name: float(number) for name, number in metrics.items() if number is not None}
