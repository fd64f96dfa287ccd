"""Writes the items of an overview: of ten thousand monitors half a million beats, decoded and written at once."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from api.schemas.overview import totals_json
from shared.domain.monitor.beats import BEAT_BYTES
from shared.domain.monitor.overview import OverviewItem, OverviewPage, Shares
from shared.domain.monitor.standing import STATE_OF_CODE
from shared.domain.target.outcome import OUTCOME_OF_CODE, Outcome
from shared.services.monitor.overview import OVERVIEW_WINDOWS

CHUNK = 200
"""So many monitors are written without a pause: some 2 ms."""
MAX_KEPT = 20_000
"""Monitors whose beats are remembered as they were written, those of a whole overview: some 25 MB."""

_BEAT = np.dtype([("at", ">u4"), ("outcome", "u1"), ("duration", ">f4")])
_BEATS_EPOCH = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
_LETTERS = {Outcome.UP: "u", Outcome.DEGRADED: "g", Outcome.DOWN: "d", Outcome.ERROR: "e"}
_LETTER_OF_CODE = np.frombuffer("".join(_LETTERS[OUTCOME_OF_CODE[code]] for code in range(4)).encode(), "u1")
_NO_SHARES = Shares((None,) * len(OVERVIEW_WINDOWS), (None,) * len(OVERVIEW_WINDOWS))
"""Of a monitor that was made after the uptimes were read."""
_STATES = {code: state.value for code, state in STATE_OF_CODE.items()}
_OUTCOMES = {code: outcome.value for code, outcome in OUTCOME_OF_CODE.items()}


class _Beats(NamedTuple):
    packed: bytes
    written: orjson.Fragment
    latency_ms: float | None


class OverviewWriter:
    """Writes overviews; one per process, for beats that have not changed since the last one are not written anew."""

    def __init__(self, *, most: int = MAX_KEPT) -> None:
        self._most = most
        self._kept: dict[str, _Beats] = {}

    async def page_json(self, page: OverviewPage, *, next_cursor: str | None) -> bytes:
        """A page as `OverviewView` describes it; other requests are answered meanwhile."""
        parts = []
        for first in range(0, len(page.items), CHUNK):
            parts.append(self._items_json(page.items[first : first + CHUNK], page.shares))
            await asyncio.sleep(0)
        beside = orjson.dumps({"next_cursor": next_cursor, **totals_json(page.totals)})
        return b'{"items":[' + b",".join(parts) + b"]," + beside[1:]

    def _items_json(self, items: Sequence[OverviewItem], shares: Mapping[str, Shares]) -> bytes:
        """The items as a JSON array without its brackets; `OverviewItemView` describes them."""
        beats = self._beats_of(items)
        written = orjson.dumps(
            [_item_json(item, shares.get(item.monitor_id, _NO_SHARES), beats[item.monitor_id]) for item in items],
            option=orjson.OPT_UTC_Z,
        )
        return written[1:-1]

    def _beats_of(self, items: Sequence[OverviewItem]) -> dict[str, _Beats]:
        """The beats of each monitor, written now or before."""
        found: dict[str, _Beats] = {}
        changed: list[OverviewItem] = []
        for item in items:
            kept = self._kept.get(item.monitor_id)
            if kept is not None and kept.packed == item.beats:
                found[item.monitor_id] = kept
            else:
                changed.append(item)
        for item, beats in zip(changed, _write_beats([item.beats for item in changed]), strict=True):
            found[item.monitor_id] = self._kept[item.monitor_id] = beats
        while len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]
        return found


def _item_json(item: OverviewItem, shares: Shares, beats: _Beats) -> dict[str, Any]:
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
        "beats": beats.written,
        "latency_ms": beats.latency_ms,
        "uptime": {
            name: {"ratio": ratio, "coverage": coverage}
            for name, ratio, coverage in zip(OVERVIEW_WINDOWS, shares.ratios, shares.coverages, strict=True)
        },
    }


def _write_beats(packed: Sequence[bytes]) -> list[_Beats]:
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
    found: list[_Beats] = []
    first = 0
    for each, end, start, mean in zip(reversed(packed), ends.tolist(), starts.tolist(), means, strict=True):
        shown = {
            "start": start if end > first else None,
            "times": times[first:end],
            "outcomes": outcomes[first:end],
            "durations": durations[first:end],
        }
        written = orjson.Fragment(orjson.dumps(shown, option=orjson.OPT_SERIALIZE_NUMPY))
        found.append(_Beats(each, written, mean))
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
