"""Samples as the bytes of PostgreSQL's binary COPY, each at a free millisecond of its series; pure."""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from shared.domain.sample.samples import Sample
from shared.domain.target.kinds import METRICS
from shared.domain.target.outcome import OUTCOME_CODES

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_POSTGRES_EPOCH_MS = 946_684_800_000
_FLOAT8_OID = 701
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_NULL = -1
_FIELDS = 5
_NOTHING: AbstractSet[int] = frozenset()
_SERIES_AND_TIME = itemgetter(0, 1)


class PlacedSample(NamedTuple):
    """A sample at the millisecond that is its own within its series, since 1970 and as the time it is kept under."""

    series_id: int
    ts_ms: int
    ts: datetime
    sample: Sample

    @property
    def hour(self) -> datetime:
        """The start of the hour it falls into."""
        return moment_of(self.ts_ms - self.ts_ms % 3_600_000)

    @property
    def value(self) -> float | None:
        """The duration in milliseconds; None when it is no finite number."""
        duration_ms = self.sample.reading.duration_ms
        return duration_ms if math.isfinite(duration_ms) else None


def milliseconds_of(moment: datetime) -> int:
    """Whole milliseconds from 1970 to an aware moment."""
    delta = moment - _EPOCH
    return delta.days * 86_400_000 + delta.seconds * 1000 + delta.microseconds // 1000


def moment_of(ts_ms: int) -> datetime:
    """The moment `ts_ms` milliseconds after 1970."""
    return _EPOCH + timedelta(milliseconds=ts_ms)


def place(samples: Iterable[Sample], taken: Mapping[int, AbstractSet[int]] | None = None) -> list[PlacedSample]:
    """Give each sample a millisecond that no other of its series has, sorted by series and time.

    Two readings of a series in one millisecond are two readings: the later one in the list moves to the next free
    millisecond. One of a slot that is taken is the same reading once more, and is left out. `taken` are the
    milliseconds of each series that are not free.
    """
    wanted = [(sample.series_id, milliseconds_of(sample.at), sample) for sample in samples]
    wanted.sort(key=_SERIES_AND_TIME)
    placed = []
    last_series, last_ms, busy = None, 0, _NOTHING
    for series_id, wanted_ms, sample in wanted:
        ts_ms = wanted_ms
        if series_id != last_series:
            busy = taken.get(series_id, _NOTHING) if taken else _NOTHING
        if sample.slot is not None and (ts_ms in busy or (series_id == last_series and ts_ms == last_ms)):
            continue
        if series_id == last_series and ts_ms <= last_ms:
            ts_ms = last_ms + 1
        while ts_ms in busy:
            ts_ms += 1
        last_series, last_ms = series_id, ts_ms
        placed.append(PlacedSample(series_id, ts_ms, moment_of(ts_ms), sample))
    return placed


def encode_rows(placed: Sequence[PlacedSample]) -> bytes:
    """The rows (ts, value, series_id, outcome, extras) as one whole binary COPY."""
    return b"".join([_HEADER, *map(_encode_row, placed), _TRAILER])


def unpack_metrics(kind: str, extras: Sequence[float | None] | None) -> dict[str, float]:
    """The metrics that `encode_rows` packed, by name; what was absent stays absent."""
    names = METRICS.get(kind, ())
    return {name: value for name, value in zip(names, extras or (), strict=False) if value is not None}


def _encode_row(placed: PlacedSample) -> bytes:
    reading = placed.sample.reading
    metrics = reading.metrics
    if not all(map(math.isfinite, metrics.values())):
        metrics = {name: value for name, value in metrics.items() if math.isfinite(value)}
    values = [*map(metrics.get, METRICS[placed.sample.kind])] if metrics else []
    while values and values[-1] is None:
        values.pop()
    value = placed.value
    fields: list[float] = [_FIELDS, 8, (placed.ts_ms - _POSTGRES_EPOCH_MS) * 1000]
    fields += (_NULL,) if value is None else (8, value)
    fields += (4, placed.series_id, 2, OUTCOME_CODES[reading.outcome])
    presence = tuple([each is not None for each in values])
    fields += _array_head(presence)
    for each in values:
        fields += (_NULL,) if each is None else (8, each)
    return _row_format(value is not None, presence).pack(*fields)


@lru_cache(maxsize=4096)
def _array_head(presence: tuple[bool, ...]) -> tuple[int, ...]:
    """Length, dimensions, whether there are NULLs, element type, size and lower bound; NULL for no metric at all."""
    if not presence:
        return (_NULL,)
    length = 20 + 4 * len(presence) + 8 * sum(presence)
    return (length, 1, 0 if all(presence) else 1, _FLOAT8_OID, len(presence), 1)


@lru_cache(maxsize=4096)
def _row_format(has_value: bool, presence: tuple[bool, ...]) -> struct.Struct:  # noqa: FBT001 - half of the cache's key
    array = "iiiiii" + "".join("id" if each else "i" for each in presence) if presence else "i"
    return struct.Struct(f">hiq{'id' if has_value else 'i'}iiih{array}")
