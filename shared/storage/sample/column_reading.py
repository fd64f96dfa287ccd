"""Reads the rows of many samples as columns of numbers: PostgreSQL's own binary arrays, taken over without a loop."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sqlalchemy import Row

from shared.domain.sample.sample_columns import SampleColumns
from shared.domain.sample.segments import DAY
from shared.domain.target.kinds import METRICS
from shared.storage.database import UnitOfWork
from shared.storage.sample.chunk_store import SeriesDay

_POSTGRES_EPOCH_US = 946_684_800_000_000
_ARRAY_HEAD_BYTES = 20
"""Dimensions, flags, type, length and lower bound of an array of one dimension."""


ALL_PLACES = tuple(range(max(map(len, METRICS.values())) + 1))
"""The duration, and every packed metric that a kind may have."""


ROWS = ("sample",)
LATE = ("sample_late",)
ROWS_AND_LATE = (*ROWS, *LATE)


class UnknownMetricsError(Exception):
    """Samples hold more metrics than this version knows, and packing them would lose some."""


async def read_columns(
    work: UnitOfWork,
    series: Sequence[int],
    window: tuple[datetime, datetime],
    *,
    places: Sequence[int] = ALL_PLACES,
    tables: Sequence[str] = ROWS_AND_LATE,
) -> dict[int, SampleColumns]:
    """The rows of each series in a half-open window, with the values at `places`; series without one are left out.

    Series are read one after the other over their index, which has them in order; no row is sorted, however many.

    Raises:
        UnknownMetricsError: all metrics were to be read, and there are more than this version knows.
    """
    values = [f"array_send(array_agg(coalesce({_value(place)}, 'NaN'))) as v{place}" for place in places]
    columns = [
        "array_send(array_agg(ts)) as moments",
        "array_send(array_agg(outcome)) as outcomes",
        "max(cardinality(extras)) as metrics",
        *values,
    ]
    rows = " union all ".join(
        f"select ts, outcome, value, extras from {table} where series_id = k.series_id and ts >= $2 and ts < $3"
        for table in tables
    )
    found = await work.fetch(
        f"""
        select k.series_id, s.* from unnest($1::int4[]) k(series_id) cross join lateral (
            select {", ".join(columns)} from ({rows} order by ts offset 0) ordered
        ) s where s.moments is not null
        """,
        list(series),
        *window,
    )
    if places == ALL_PLACES and any((row.metrics or 0) > ALL_PLACES[-1] for row in found):
        raise UnknownMetricsError("samples have metrics that a later version of Tocsin wrote; update this one")
    return {row.series_id: _columns_of(row, places) for row in found}


async def read_late(work: UnitOfWork, keys: Sequence[SeriesDay]) -> dict[SeriesDay, SampleColumns]:
    """The late samples of days of series that are not packed yet."""
    found: dict[SeriesDay, SampleColumns] = {}
    by_day = sorted(keys, key=lambda key: key.day)
    for day, group in groupby(by_day, key=lambda key: key.start):
        series = [key.series_id for key in group]
        samples = await read_columns(work, series, (day, day + DAY), tables=LATE)
        found |= {SeriesDay(series_id, day.date()): part for series_id, part in samples.items()}
    return found


def _value(place: int) -> str:
    return f"extras[{place}]" if place else "value"


def _columns_of(row: Row[Any], places: Sequence[int]) -> SampleColumns:
    values = {place: _numbers(getattr(row, f"v{place}"), "f8").astype(np.float64) for place in places}
    return SampleColumns(
        _numbers(row.moments, "i8").astype(np.int64) + _POSTGRES_EPOCH_US,
        _numbers(row.outcomes, "i2").astype(np.uint8),
        {place: column for place, column in values.items() if not np.isnan(column).all()},
    ).in_order()


def _numbers(array: bytes, kind: Literal["f8", "i8", "i2"]) -> npt.NDArray[Any]:
    """The elements of a binary array without NULLs: each with its length before it, big-endian."""
    items = np.frombuffer(array, dtype=[("length", ">i4"), ("number", f">{kind}")], offset=_ARRAY_HEAD_BYTES)
    numbers: npt.NDArray[Any] = items["number"]
    return numbers
