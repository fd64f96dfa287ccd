"""Samples of monitors: written with their notes, made part of how a monitor stands, and told of."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from uuid import UUID

from shared.domain.judging.judgements import NewSample
from shared.domain.live import SampleTold
from shared.domain.monitor.beats import MAX_BEATS, Beat, pack_beats
from shared.domain.monitor.standing import Standing
from shared.domain.sample.samples import Sample
from shared.storage.database import UnitOfWork
from shared.storage.monitor.monitor_state_store import LockedState, NewState
from shared.storage.sample.note_store import NoteStore
from shared.storage.sample.sample_encoding import PlacedSample
from shared.storage.sample.sample_store import SampleStore


async def write_slot_samples(work: UnitOfWork, samples: Sequence[Sample]) -> dict[int, list[PlacedSample]]:
    """Write samples whose slot has none yet, and why they are not up; those written, by series, in order of time."""
    placed = await SampleStore(work).record_slots(samples)
    await NoteStore(work).add(placed)
    return {series_id: list(group) for series_id, group in groupby(placed, key=attrgetter("series_id"))}


def state_with(standing: Standing, before: LockedState, written: Sequence[PlacedSample]) -> NewState:
    """The state with its newest sample; one that is older than the newest before is not among the beats."""
    newer = [each for each in written if before.sampled_at is None or each.ts > before.sampled_at]
    if not newer:
        return NewState(standing)
    newest = newer[-1]
    beats = [Beat(each.ts, each.sample.reading.outcome, each.value) for each in newer[: -MAX_BEATS - 1 : -1]]
    return NewState(standing, newest.ts, newest.value, newest.sample.reading.outcome, pack_beats(beats))


def told(monitor_id: UUID, placed: PlacedSample) -> SampleTold:
    """What is told live of a sample that was written."""
    reading = placed.sample.reading
    return SampleTold(monitor_id, placed.ts, reading.outcome, placed.value, reading.code)


def news_of(placed: PlacedSample) -> NewSample:
    """What rules judge of a sample that was written."""
    return NewSample(placed.ts, placed.ts_ms, placed.sample.reading)
