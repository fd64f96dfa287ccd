"""Notes: why a monitor's sample was not `up`."""

from collections.abc import Sequence

from shared.domain.target.outcome import Outcome
from shared.storage.database import UnitOfWork
from shared.storage.sample.partition_store import PartitionStore
from shared.storage.sample.partitions import NOTES
from shared.storage.sample.sample_encoding import PlacedSample
from shared.storage.storable import storable_or_none


class NoteStore:
    """Notes within a transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def add(self, placed: Sequence[PlacedSample]) -> None:
        """Write the code and message of the samples that are not `up` and have one; the same twice is once."""
        told = [each for each in placed if each.sample.reading.outcome is not Outcome.UP and each.sample.reading.code]
        if not told:
            return
        await PartitionStore(self._work).ensure(NOTES, {each.ts for each in told})
        await self._work.run(
            """
            insert into sample_note (ts, series_id, code, message)
            select * from unnest($1::timestamptz[], $2::int4[], $3::text[], $4::text[])
            on conflict (series_id, ts) do nothing
            """,
            [each.ts for each in told],
            [each.series_id for each in told],
            [storable_or_none(each.sample.reading.code) for each in told],
            [storable_or_none(each.sample.reading.message) for each in told],
        )
