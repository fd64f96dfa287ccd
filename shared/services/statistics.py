"""Statistics over samples: exact from single samples where that is cheap, else from roll-ups with their sketches."""

from shared.domain.statistics import StatsAnswer, StatsQuery
from shared.storage.database import Database


class Statistics:
    """Answers questions about many samples."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def query(self, query: StatsQuery) -> StatsAnswer:
        """Answer; bounded in groups, buckets and time.

        Raises:
            StatsQueryError: the question has no answer; the message says why.
            StatsTimeoutError: it would take too long.
        """
        raise NotImplementedError
