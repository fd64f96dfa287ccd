"""Samples of days that are closed: kept apart until they are packed with their day."""

import asyncio
import io
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from shared.domain.sample.sample_columns import SampleColumns
from shared.domain.sample.samples import Sample
from shared.storage.advisory_locks import SAMPLE_COLLISIONS
from shared.storage.database import UnitOfWork
from shared.storage.sample.chunk_store import SeriesDay, StoredChunk
from shared.storage.sample.sample_encoding import PlacedSample, encode_rows, milliseconds_of, place

_SLACK = timedelta(seconds=10)
"""How far beyond the wanted time free milliseconds are looked for."""


class _Span(NamedTuple):
    series_id: int
    first: datetime
    last: datetime


async def add_late(work: UnitOfWork, samples: Sequence[Sample]) -> list[PlacedSample]:
    """Write samples of closed days; one of a slot that has a sample already, packed or not, is left out.

    One writer at a time, until it commits: nobody else can take the milliseconds that it finds free.
    """
    if not samples:
        return []
    await work.run("select pg_advisory_xact_lock($1)", SAMPLE_COLLISIONS)
    placed = place(samples, await _taken(work, _spans_of(samples)))
    if placed:
        driver = await work.driver()
        await driver.copy_to_table(
            "sample_late",
            source=io.BytesIO(encode_rows(placed)),
            columns=("ts", "value", "series_id", "outcome", "extras"),
            format="binary",
        )
    return placed


def _spans_of(samples: Sequence[Sample]) -> list[_Span]:
    """From the first to the last sample of each day of a series, and a little more."""
    wanted = sorted((sample.series_id, sample.at) for sample in samples)
    days = groupby(wanted, key=lambda each: (each[0], each[1].date()))
    groups = [(series_id, [at for _, at in group]) for (series_id, _), group in days]
    return [_Span(series_id, moments[0], moments[-1] + _SLACK) for series_id, moments in groups]


async def _taken(work: UnitOfWork, spans: Sequence[_Span]) -> Mapping[int, set[int]]:
    """The milliseconds that are taken near the samples, wherever they are kept.

    In one statement: a sample that is just being packed is either still a row for it, or in the chunk already.
    """
    rows = await work.fetch(
        """
        select w.id, w.day, w.first, w.last,
               array(select ts from sample where series_id = w.id and ts between w.first and w.last)
               || array(select ts from sample_late where series_id = w.id and ts between w.first and w.last) as taken,
               c.samples, c.codec, c.data
        from unnest($1::int4[], $2::timestamptz[], $3::timestamptz[], $4::date[]) w(id, first, last, day)
        left join sample_chunk c on c.series_id = w.id and c.day = w.day and c.day >= $5 and c.day <= $6
        """,
        [span.series_id for span in spans],
        [span.first for span in spans],
        [span.last for span in spans],
        [span.first.date() for span in spans],
        min(span.first for span in spans).date(),
        max(span.first for span in spans).date(),
    )
    taken: dict[int, set[int]] = {}
    for row in rows:
        busy = taken.setdefault(row.id, set())
        busy.update(map(milliseconds_of, row.taken))
        if row.data is not None:
            chunk = StoredChunk(SeriesDay(row.id, row.day), row.samples, row.codec, row.data)
            busy.update(_between(await asyncio.to_thread(chunk.unpack, ()), row.first, row.last))
    return taken


def _between(samples: SampleColumns, first: datetime, last: datetime) -> list[int]:
    inside = samples.between(first, last)
    return [moment // 1000 for moment in inside.moments.tolist()]
