"""What is told of the room that samples take."""

from datetime import datetime

from pydantic import Field

from api.schemas.jobs import View
from shared.services.sample.storage_cap import StorageReport


class ResolutionView(View):
    """One resolution: single samples as rows, packed ones, hours, days."""

    resolution: str = Field(description="`rows`, `late`, `chunks`, `notes`, `hours` or `days`.")
    bytes: int = Field(description="With indexes.")
    rows: int = Field(description="The database's own estimate.")


class StorageDropView(View):
    """A partition that was dropped."""

    at: datetime
    partition: str
    reason: str = Field(description="`age`: it was kept as long as was asked for; `size`: to keep within the cap.")
    bytes: int


class StorageView(View):
    """How much room samples take, how far they reach back, and what was dropped."""

    bytes: int
    cap: int | None = Field(description="`TOCSIN_STORAGE_CAP`; null when there is none.")
    resolutions: list[ResolutionView]
    bytes_per_packed_sample: float | None = Field(description="Of the newest month with packed samples.")
    rows_from: datetime | None = Field(description="Samples since then are rows; null when none is packed yet.")
    samples_from: datetime | None = Field(description="Single samples are kept since then; null: nothing was dropped.")
    hours_from: datetime | None = Field(description="Hours are kept since then; null: nothing was dropped.")
    drops: list[StorageDropView] = Field(description="The newest first, at most 100.")


_RESOLUTIONS = {
    "sample": "rows",
    "sample_late": "late",
    "sample_chunk": "chunks",
    "sample_note": "notes",
    "rollup_1h": "hours",
    "rollup_1d": "days",
}


def storage_json(report: StorageReport) -> dict[str, object]:
    """The report as `StorageView` describes it."""
    packed, horizon = report.packed, report.horizon
    return {
        "bytes": sum(table.bytes for table in report.tables),
        "cap": report.cap or None,
        "resolutions": [
            {"resolution": _RESOLUTIONS[table.table], "bytes": table.bytes, "rows": table.rows}
            for table in report.tables
        ],
        "bytes_per_packed_sample": packed.bytes / packed.samples if packed and packed.samples else None,
        "rows_from": _known(horizon.chunked_until),
        "samples_from": _known(horizon.samples_from),
        "hours_from": _known(horizon.hours_from),
        "drops": [
            {"at": drop.at, "partition": drop.partition, "reason": drop.reason, "bytes": drop.bytes}
            for drop in report.drops
        ],
    }


def _known(moment: datetime) -> datetime | None:
    """A mark that was never moved stands at 1970."""
    return moment if moment.timestamp() else None
