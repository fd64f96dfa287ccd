"""Finds the metrics of single samples in the chunks of their days."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

import numpy as np

from shared.domain.sample.sample_columns import microseconds_of
from shared.storage.database import UnitOfWork
from shared.storage.sample.chunk_store import ChunkStore, SeriesDay, StoredChunk
from shared.storage.sample.rollup_state import read_rollup_state

SampleKey: TypeAlias = tuple[int, datetime]
"""The series and the moment of a sample."""


async def find_packed_metrics(work: UnitOfWork, keys: Sequence[SampleKey]) -> Mapping[SampleKey, list[float | None]]:
    """The packed metrics of those of the samples that are in chunks.

    Look for their rows first: what is packed in between is then found here.

    Raises:
        ChunkError: a chunk is damaged; the message names it.
    """
    if not keys:
        return {}
    state = await read_rollup_state(work)
    wanted = {SeriesDay(series_id, at.date()) for series_id, at in keys if at < state.chunked_until}
    chunks = await ChunkStore(work).list_days(wanted)
    return await asyncio.to_thread(_look_up, chunks, keys) if chunks else {}


def _look_up(chunks: Sequence[StoredChunk], keys: Sequence[SampleKey]) -> dict[SampleKey, list[float | None]]:
    days = {chunk.key: chunk.unpack() for chunk in chunks}
    found = {}
    for series_id, at in keys:
        samples = days.get(SeriesDay(series_id, at.date()))
        if samples is None:
            continue
        moment = microseconds_of(at)
        index = int(np.searchsorted(samples.moments, moment))
        if index < len(samples) and samples.moments[index] == moment:
            found[series_id, at] = samples.packed_metrics(index)
    return found
