"""Samples of one series as columns of numbers: what is packed, unpacked, merged and summed up many at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Moments: TypeAlias = npt.NDArray[np.int64]
"""Microseconds since 1970."""

Outcomes: TypeAlias = npt.NDArray[np.uint8]
"""Outcomes as the database's small integers."""

Values: TypeAlias = npt.NDArray[np.float64]
"""Finite numbers; NaN stands for what is absent."""


@dataclass(frozen=True, slots=True, eq=False)
class SampleColumns:
    """Samples of one series, ascending and distinct in time.

    `values` has a column for each place: 0 is the duration, n the n-th metric packed with the kind. A place that no
    sample has a value for, or that was not asked for, is left out.
    """

    moments: Moments
    outcomes: Outcomes
    values: Mapping[int, Values]

    def __len__(self) -> int:
        return len(self.moments)

    def values_at(self, place: int) -> Values:
        """The column of a place, all NaN where there is none."""
        column = self.values.get(place)
        return np.full(len(self), np.nan) if column is None else column

    def between(self, start: datetime, end: datetime) -> "SampleColumns":
        """The samples of the half-open time from `start` to `end`."""
        first, last = np.searchsorted(self.moments, [microseconds_of(start), microseconds_of(end)]).tolist()
        return self._part(slice(first, last))

    def last(self, count: int) -> "SampleColumns":
        """The newest of them, as many as `count`, which is at least one."""
        return self._part(slice(-count, None))

    def packed_metrics(self, index: int) -> list[float | None]:
        """The packed metrics of one sample as a row has them: None where absent, and nothing behind the last."""
        last = max(self.values, default=0)
        found = [float(self.values_at(place)[index]) for place in range(1, last + 1)]
        metrics = [None if np.isnan(value) else value for value in found]
        while metrics and metrics[-1] is None:
            metrics.pop()
        return metrics

    def is_same_as(self, other: "SampleColumns") -> bool:
        """Whether both hold the same samples, bit by bit."""
        return (
            np.array_equal(self.moments, other.moments)
            and np.array_equal(self.outcomes, other.outcomes)
            and all(
                _are_same(self.values_at(place), other.values_at(place))
                for place in self.values.keys() | other.values.keys()
            )
        )

    def _part(self, rows: slice | npt.NDArray[np.int64]) -> "SampleColumns":
        values = {place: column[rows] for place, column in self.values.items()}
        return SampleColumns(self.moments[rows], self.outcomes[rows], values)

    @staticmethod
    def merged(parts: Sequence["SampleColumns"]) -> "SampleColumns":
        """All samples of some parts of one series; of two at the same time the one in the earlier part stays."""
        if len(parts) == 1:
            return parts[0]
        places = sorted({place for part in parts for place in part.values})
        whole = SampleColumns(
            np.concatenate([EMPTY.moments, *(part.moments for part in parts)]),
            np.concatenate([EMPTY.outcomes, *(part.outcomes for part in parts)]),
            {place: np.concatenate([part.values_at(place) for part in parts]) for place in places},
        )
        return whole.in_order()

    def in_order(self) -> "SampleColumns":
        """The same samples, ascending and distinct, whatever order they came in; of equal times the first one stays."""
        if (np.diff(self.moments) > 0).all():
            return self
        return self._part(np.unique(self.moments, return_index=True)[1])


EMPTY = SampleColumns(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint8), {})


def microseconds_of(moment: datetime) -> int:
    """Whole microseconds from 1970 to an aware moment."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_at(microseconds: int) -> datetime:
    """The moment so many microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=microseconds)


def _are_same(one: Values, other: Values) -> bool:
    absent = np.isnan(one)
    if not np.array_equal(absent, np.isnan(other)):
        return False
    return np.array_equal(one[~absent].view(np.int64), other[~absent].view(np.int64))
