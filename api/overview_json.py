"""Writes the items of an overview: of ten thousand monitors half a million beats, decoded and written at once."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from api.schemas.overview import totals_json
from shared.domain.beats import BEAT_BYTES
from shared.domain.outcome import OUTCOME_OF_CODE, Outcome
from shared.domain.overview import OverviewItem, OverviewPage, Shares
from shared.domain.standing import STATE_OF_CODE
from shared.services.overview import OVERVIEW_WINDOWS

CHUNK = 200
"""So many monitors are written without a pause: some 2 ms."""

_BEAT = np.dtype([("at", ">u4"), ("outcome", "u1"), ("duration", ">f4")])
_BEATS_EPOCH = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
_LETTERS = {Outcome.UP: "u", Outcome.DEGRADED: "g", Outcome.DOWN: "d", Outcome.ERROR: "e"}
_LETTER_OF_CODE = np.frombuffer("".join(_LETTERS[OUTCOME_OF_CODE[code]] for code in range(4)).encode(), "u1")
_NO_SHARES = Shares((None,) * len(OVERVIEW_WINDOWS), (None,) * len(OVERVIEW_WINDOWS))
"""Of a monitor that was made after the uptimes were read."""
_STATES = {code: state.value for code, state in STATE_OF_CODE.items()}
_OUTCOMES = {code: outcome.value for code, outcome in OUTCOME_OF_CODE.items()}


async def page_json(page: OverviewPage, *, next_cursor: str | None) -> bytes:
    """A page as `OverviewView` describes it; other requests are answered meanwhile."""
    parts = []
    for first in range(0, len(page.items), CHUNK):
        parts.append(items_json(page.items[first : first + CHUNK], page.shares))
        await asyncio.sleep(0)
    beside = orjson.dumps({"next_cursor": next_cursor, **totals_json(page.totals)})
    return b'{"items":[' + b",".join(parts) + b"]," + beside[1:]


def items_json(items: Sequence[OverviewItem], shares: Mapping[str, Shares]) -> bytes:
    """The items as a JSON array without its brackets; `OverviewItemView` describes them."""
    beats = _beats_of([item.beats for item in items])
    written = orjson.dumps(
        [
            _item_json(item, shares.get(item.monitor_id, _NO_SHARES), *each)
            for item, each in zip(items, beats, strict=True)
        ],
        option=orjson.OPT_UTC_Z | orjson.OPT_SERIALIZE_NUMPY,
    )
    return written[1:-1]


def _item_json(item: OverviewItem, shares: Shares, beats: dict[str, Any], latency_ms: float | None) -> dict[str, Any]:
    last = None
    if item.last_at is not None and item.last_outcome is not None:
        last = {"at": item.last_at, "outcome": _OUTCOMES[item.last_outcome], "duration_ms": item.duration_ms}
    return {
        "id": item.monitor_id,
        "group": item.group,
        "name": item.name,
        "kind": item.kind,
        "labels": orjson.Fragment(item.labels),
        "state": _STATES[item.state],
        "since": item.since,
        "code": item.code,
        "last": last,
        "beats": beats,
        "latency_ms": latency_ms,
        "uptime": {
            name: {"ratio": ratio, "coverage": coverage}
            for name, ratio, coverage in zip(OVERVIEW_WINDOWS, shares.ratios, shares.coverages, strict=True)
        },
    }


def _beats_of(packed: Sequence[bytes]) -> list[tuple[dict[str, Any], float | None]]:
    """Each monitor's beats, the oldest first, and the mean of their durations."""
    # The newest first as they are kept; turned round as a whole, the monitors come last to first.
    beats = np.frombuffer(b"".join(packed), _BEAT)[::-1]
    counts = np.array([len(each) // BEAT_BYTES for each in reversed(packed)], np.int64)
    ends = counts.cumsum()
    moments = beats["at"].astype(np.int64) + _BEATS_EPOCH
    starts = np.append(moments, 0)[ends - counts]
    durations = beats["duration"].astype(np.float64).round(2)
    means = _means_of(durations, beats["outcome"], counts)
    outcomes = _LETTER_OF_CODE[beats["outcome"]].tobytes().decode()
    times = moments - np.repeat(starts, counts)
    found: list[tuple[dict[str, Any], float | None]] = []
    first = 0
    for end, start, mean in zip(ends.tolist(), starts.tolist(), means, strict=True):
        shown = {
            "start": start if end > first else None,
            "times": times[first:end],
            "outcomes": outcomes[first:end],
            "durations": durations[first:end],
        }
        found.append((shown, mean))
        first = end
    found.reverse()
    return found


def _means_of(
    durations: npt.NDArray[np.float64], outcomes: npt.NDArray[np.uint8], counts: npt.NDArray[np.int64]
) -> list[float | None]:
    """The mean of each monitor's durations; errors are our own fault's, and a ping need not have one."""
    monitors = np.repeat(np.arange(len(counts)), counts)
    is_counted = (outcomes != Outcome.ERROR.code) & ~np.isnan(durations)
    sums = np.bincount(monitors[is_counted], durations[is_counted], minlength=len(counts))
    numbers = np.bincount(monitors[is_counted], minlength=len(counts))
    return [
        round(total / number, 3) if number else None
        for total, number in zip(sums.tolist(), numbers.tolist(), strict=True)
    ]
