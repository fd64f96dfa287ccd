"""The database's clock as a process knows it without asking: told now and then, carried on monotonically; pure."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

WINDOW_SECONDS = 30.0
"""How long the best of what was told is believed, at least; clocks drift by some 50 µs a second."""
STEP_SECONDS = 5.0
"""Nothing is heard so late; the clock itself was set back then."""


class DatabaseClock:
    """Tells the database's time for a moment of the monotonic clock (seconds).

    What the database tells is heard a little later, by a different while each time: by a round trip, by a process that
    was busy. So the true time is never before what any hearing says, and the greatest of them is the nearest, as the
    clock filter of NTP (RFC 5905) has it.
    """

    def __init__(self) -> None:
        self._began = 0.0
        self._best: float | None = None
        self._best_before: float | None = None

    def hear(self, moment: datetime, *, at: float) -> None:
        """The database said that it was `moment` when it answered; that was heard now."""
        offset = (moment - _EPOCH).total_seconds() - at
        known = self._offset()
        if known is None or known - offset > STEP_SECONDS:
            self._began, self._best, self._best_before = at, offset, None
        elif at - self._began > WINDOW_SECONDS:
            self._began, self._best, self._best_before = at, offset, self._best
        else:
            self._best = offset if self._best is None else max(self._best, offset)

    def time(self, *, at: float) -> datetime:
        """The database's time.

        Raises:
            LookupError: nothing was heard of it yet.
        """
        offset = self._offset()
        if offset is None:
            raise LookupError("nothing was heard of the database's clock yet")
        return _EPOCH + timedelta(seconds=offset + at)

    def _offset(self) -> float | None:
        best, before = self._best, self._best_before
        if best is None or before is None:
            return before if best is None else best
        return max(best, before)
