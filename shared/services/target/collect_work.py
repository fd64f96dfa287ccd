"""The work of a collect job: read its targets, find their series, count the outcomes."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
import structlog
from pydantic import TypeAdapter, ValidationError

from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import Failure
from shared.domain.job.leases import ClaimedJob
from shared.domain.sample.samples import Sample
from shared.domain.target.outcome import Outcome, Reading
from shared.domain.target.target_identity import display_name, identity_of
from shared.domain.target.targets import Target
from shared.services.target.collection import Collection
from shared.storage.errors import StorageUnavailableError
from shared.storage.sample.series_store import SeriesDirectory, SeriesEntry

_log = structlog.get_logger()

RETRY_SECONDS = 1.0
REMEMBERED_TARGETS = 16_384
"""How many targets are kept read, some kilobytes each: what is collected again and again is read once."""

_TARGET: TypeAdapter[Target] = TypeAdapter(Target)


class _CollectSpec(msgspec.Struct):
    """What to collect; what is a test is told by the job's result, and nothing else is kept of it."""

    targets: list[msgspec.Raw]
    is_test: bool = False


class CollectWork:
    """Collects all targets of a job. The job succeeds when they were collected, whatever was found."""

    def __init__(self, collection: Collection, series: SeriesDirectory) -> None:
        self._collection = collection
        self._series = series

    async def __call__(self, claimed: ClaimedJob, report: ReportProgress) -> Worked:
        """Collect once; a spec that this version cannot read is a permanent failure."""
        try:
            spec = msgspec.json.decode(claimed.spec, type=_CollectSpec)
            read = [_read_target(bytes(raw)) for raw in spec.targets]
        except (ValidationError, msgspec.DecodeError):
            return Worked(failure=Failure("unreadable_spec", "this worker cannot read the job's targets", True))
        targets = [target for target, _ in read]
        readings = await self._collection.collect_all(
            targets, on_collected=lambda done: report({"done": done, "total": len(targets)})
        )
        if spec.is_test:
            return Worked(result=count_outcomes(readings) | {"readings": [reading_json(each) for each in readings]})
        series_ids = await self._find_series([entry for _, entry in read])
        samples = [
            Sample(claimed.job_id, position, series_id, target.kind, reading)
            for position, (series_id, target, reading) in enumerate(zip(series_ids, targets, readings, strict=True))
        ]
        return Worked(result=count_outcomes(readings), samples=samples)

    async def _find_series(self, entries: Sequence[SeriesEntry]) -> list[int]:
        """Wait while the database is away, as long as the lease and the attempt's time allow: all is collected."""
        while True:
            try:
                return await self._series.resolve(entries)
            except StorageUnavailableError as error:
                _log.warning("series_not_found_yet", error=repr(error))
            await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - spreads workers


def count_outcomes(readings: Sequence[Reading]) -> dict[str, Any]:
    """How many readings there are of each outcome, those of none included."""
    counted = Counter(reading.outcome for reading in readings)
    return {outcome.value: counted[outcome] for outcome in Outcome}


def reading_json(reading: Reading) -> dict[str, Any]:
    """What a look found, as the result of its job tells it."""
    return {
        "outcome": reading.outcome.value,
        "duration_ms": reading.duration_ms,
        "metrics": dict(reading.metrics),
        "code": reading.code,
        "message": reading.message,
    }


@lru_cache(maxsize=REMEMBERED_TARGETS)
def _read_target(raw: bytes) -> tuple[Target, SeriesEntry]:
    target = _TARGET.validate_json(raw)
    entry = SeriesEntry(
        identity=identity_of(target), kind=target.kind, name=display_name(target), labels=dict(target.labels)
    )
    return target, entry
