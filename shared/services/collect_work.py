"""The work of a collect job: read its targets, find their series, count the outcomes."""

from collections import Counter
from collections.abc import Sequence

import msgspec
from pydantic import TypeAdapter, ValidationError

from shared.domain.jobs import Failure
from shared.domain.leases import ClaimedJob
from shared.domain.outcome import Outcome, Reading
from shared.domain.samples import Sample
from shared.domain.target_identity import display_name, identity_of
from shared.domain.targets import Target
from shared.services.collection import Collection
from shared.services.job_execution import Worked
from shared.storage.series_store import SeriesDirectory, SeriesEntry

_TARGETS: TypeAdapter[list[Target]] = TypeAdapter(list[Target])


class _CollectSpec(msgspec.Struct):
    targets: msgspec.Raw


class CollectWork:
    """Collects all targets of a job. The job succeeds when they were collected, whatever was found."""

    def __init__(self, collection: Collection, series: SeriesDirectory) -> None:
        self._collection = collection
        self._series = series

    async def __call__(self, claimed: ClaimedJob) -> Worked:
        """Collect once; a spec that this version cannot read is a permanent failure."""
        try:
            targets = _TARGETS.validate_json(bytes(msgspec.json.decode(claimed.spec, type=_CollectSpec).targets))
        except (ValidationError, msgspec.DecodeError):
            return Worked(failure=Failure("unreadable_spec", "this worker cannot read the job's targets", True))
        readings = await self._collection.collect_all(targets)
        series_ids = await self._series.resolve([_entry_of(target) for target in targets])
        samples = [
            Sample(claimed.job_id, position, series_id, target.kind, reading)
            for position, (series_id, target, reading) in enumerate(zip(series_ids, targets, readings, strict=True))
        ]
        return Worked(result=count_outcomes(readings), samples=samples)


def count_outcomes(readings: Sequence[Reading]) -> dict[str, int]:
    """How many readings there are of each outcome, those of none included."""
    counted = Counter(reading.outcome for reading in readings)
    return {outcome.value: counted[outcome] for outcome in Outcome}


def _entry_of(target: Target) -> SeriesEntry:
    return SeriesEntry(
        identity=identity_of(target), kind=target.kind, name=display_name(target), labels=dict(target.labels)
    )
