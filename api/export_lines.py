"""Exported samples as text: an object a line (NDJSON), or a table (CSV, RFC 4180)."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from shared.domain.sample.monitor_samples import SeriesInfo, ShownSample
from shared.domain.target.kinds import METRICS
from shared.services.sample.export import ExportedSeries

METRIC_NAMES = tuple(sorted({name for names in METRICS.values() for name in names}))
"""The columns behind the fixed ones: every metric that any kind has."""

_FIXED = ("monitor_id", "group", "name", "kind", "at", "outcome", "duration_ms", "code", "message")
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for the beginning of a formula (OWASP, CSV injection)."""


def csv_head() -> bytes:
    """The names of the columns."""
    return _csv([[*_FIXED, *METRIC_NAMES]])


def csv_lines(batch: Sequence[ExportedSeries]) -> bytes:
    """A row for each sample; what is absent is empty."""
    return _csv([_row(each.series, sample) for each in batch for sample in each.samples])


def ndjson_lines(batch: Sequence[ExportedSeries]) -> bytes:
    """An object for each sample."""
    option = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
    return b"".join(
        [orjson.dumps(_object(each.series, sample), option=option) for each in batch for sample in each.samples]
    )


def _object(series: SeriesInfo, sample: ShownSample) -> dict[str, Any]:
    return {
        "monitor_id": None if series.monitor_id is None else str(series.monitor_id),
        "group": series.group,
        "name": series.name,
        "kind": series.kind,
        "at": sample.at,
        "outcome": sample.outcome.value,
        "duration_ms": sample.duration_ms,
        "metrics": sample.metrics,
        "code": sample.code,
        "message": sample.message,
    }


def _row(series: SeriesInfo, sample: ShownSample) -> list[object]:
    return [
        series.monitor_id,
        _harmless(series.group),
        _harmless(series.name),
        series.kind,
        _moment(sample.at),
        sample.outcome.value,
        sample.duration_ms,
        sample.code,
        _harmless(sample.message or ""),
        *map(sample.metrics.get, METRIC_NAMES),
    ]


def _harmless(text: str) -> str:
    """A text that no spreadsheet computes."""
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _csv(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
