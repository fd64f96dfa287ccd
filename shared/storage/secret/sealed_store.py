"""Everything that is kept sealed, walked through in batches so that it can be sealed anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.storage.database import UnitOfWork

_START = {"uuid": "00000000-0000-0000-0000-000000000000", "text": ""}


class SealedPlace(StrEnum):
    """Where sealed values are."""

    SECRETS = "secrets"
    MONITORS = "monitors"
    CHANNELS = "channels"
    JOBS = "jobs"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A row's sealed values as they stand, in the order of the place's columns; None where there is nothing sealed."""

    key: Any
    values: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class _Columns:
    """`key` is the table's key and of the type `key_type`; `columns` are walked through where `condition` holds."""

    key: str
    key_type: str
    columns: tuple[str, ...]
    column_type: str
    condition: str


_COLUMNS = {
    SealedPlace.SECRETS: _Columns("name", "text", ("value",), "text", "true"),
    SealedPlace.MONITORS: _Columns("monitor_id", "uuid", ("target",), "text", "is_sealed"),
    SealedPlace.CHANNELS: _Columns("channel_id", "uuid", ("config",), "text", "is_sealed"),
    SealedPlace.JOBS: _Columns(
        "job_id",
        "uuid",
        ("spec", "completion"),
        "jsonb",
        "(spec ? 'sealed' or spec->'channel' ? 'sealed' or completion ? 'sealed')",
    ),
}


class SealedStore:
    """Reads and replaces sealed values within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def list_sealed(self, place: SealedPlace, *, after: object | None, limit: int) -> list[Sealed]:
        """Rows of a place in the order of their keys, on from `after`."""
        c = _COLUMNS[place]
        columns = ", ".join(f"{column}::text as {column}" for column in c.columns)
        rows = await self._work.fetch(
            f"""
            select {c.key} as key, {columns} from {place.value}
            where {c.key} > $1::{c.key_type} and {c.condition} order by {c.key} limit $2
            """,
            _START[c.key_type] if after is None else after,
            limit,
        )
        return [Sealed(row.key, tuple(getattr(row, column) for column in c.columns)) for row in rows]

    async def replace(self, place: SealedPlace, changes: Sequence[tuple[Sealed, Sealed]]) -> int:
        """Put new values in the place of those that still stand; how many rows that were.

        The rows are locked in the order of their keys.
        """
        c = _COLUMNS[place]
        names = [f"{age}_{column}" for column in c.columns for age in ("old", "new")]
        arrays = ", ".join(f"${number}::text[]" for number in range(2, len(names) + 2))
        unchanged = " and ".join(f"t.{column}::text is not distinct from n.old_{column}" for column in c.columns)
        assignments = ", ".join(f"{column} = locked.new_{column}::{c.column_type}" for column in c.columns)
        written = await self._work.run(
            f"""
            with locked as materialized (
                select n.* from unnest($1::{c.key_type}[], {arrays}) as n (key, {", ".join(names)})
                join {place.value} t on t.{c.key} = n.key and {unchanged}
                order by t.{c.key} for no key update of t
            )
            update {place.value} t set {assignments} from locked where t.{c.key} = locked.key
            """,
            [old.key for old, _ in changes],
            *(
                [sealed.values[position] for sealed in side]
                for position in range(len(c.columns))
                for side in zip(*changes, strict=True)
            ),
        )
        return written.rowcount
