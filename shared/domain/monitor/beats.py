"""A monitor's latest samples, packed into its state for overviews: 9 bytes each, the newest first; pure."""

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.domain.target.outcome import OUTCOME_OF_CODE, Outcome

MAX_BEATS = 50
"""How many are kept, as Uptime Kuma shows them."""

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_BEAT = struct.Struct(">IBf")

_LONGEST = 3e38
"""Milliseconds that a float of four bytes has room for: whoever pings may claim any number."""

BEAT_BYTES = _BEAT.size
"""Whole seconds since 2020, the outcome, the duration in milliseconds as a float of four bytes."""


@dataclass(frozen=True, slots=True)
class Beat:
    """One of the latest samples; `at` is its slot in whole seconds, `duration_ms` is exact to seven digits."""

    at: datetime
    outcome: Outcome
    duration_ms: float | None


def pack_beats(beats: Iterable[Beat]) -> bytes:
    """Pack samples in the order given, the newest first."""
    return b"".join(
        [
            _BEAT.pack(
                (beat.at - _EPOCH) // timedelta(seconds=1),
                beat.outcome.code,
                math.nan if beat.duration_ms is None else min(beat.duration_ms, _LONGEST),
            )
            for beat in beats
        ]
    )


def unpack_beats(packed: bytes) -> list[Beat]:
    """The samples, the newest first."""
    return [
        Beat(_EPOCH + timedelta(seconds=seconds), OUTCOME_OF_CODE[code], None if math.isnan(value) else value)
        for seconds, code, value in _BEAT.iter_unpack(packed)
    ]
