"""The mergeable summary of some samples of one metric, and the figures that are read off it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.sample.sketch import EMPTY, Sketch
from shared.domain.sample.statistics import Figures, percentile_name
from shared.domain.target.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Summary:
    """Outcomes count all samples; the rest is of the values that are not our own fault, `sketch` included."""

    outcomes: Mapping[Outcome, int]
    value_count: int = 0
    value_sum: float = 0.0
    value_min: float | None = None
    value_max: float | None = None
    latest: float | None = None
    latest_at: datetime | None = None
    sketch: Sketch = EMPTY

    @staticmethod
    def merged(parts: Sequence["Summary"]) -> "Summary":
        """The summary of all samples of `parts`, which have none in common."""
        if len(parts) == 1:
            return parts[0]
        newest = max((part for part in parts if part.latest_at), key=_latest_at, default=None)
        return Summary(
            outcomes={outcome: sum(part.outcomes.get(outcome, 0) for part in parts) for outcome in Outcome},
            value_count=sum(part.value_count for part in parts),
            value_sum=sum(part.value_sum for part in parts),
            value_min=min((part.value_min for part in parts if part.value_min is not None), default=None),
            value_max=max((part.value_max for part in parts if part.value_max is not None), default=None),
            latest=newest.latest if newest else None,
            latest_at=newest.latest_at if newest else None,
            sketch=Sketch.merged([part.sketch for part in parts]),
        )

    def figures(self, percentiles: Sequence[float]) -> Figures:
        """The figures, with percentiles read off the sketch and kept between the extremes."""
        estimates = self.sketch.quantiles([percentile / 100 for percentile in percentiles])
        return self.figures_with([self._between_extremes(estimate) for estimate in estimates], percentiles)

    def figures_with(self, values: Sequence[float | None], percentiles: Sequence[float]) -> Figures:
        """The figures, with the values of the percentiles as they are known from elsewhere."""
        outcomes = {outcome.value: self.outcomes.get(outcome, 0) for outcome in Outcome}
        return Figures(
            count=sum(outcomes.values()),
            mean=self.value_sum / self.value_count if self.value_count else None,
            min=self.value_min,
            max=self.value_max,
            latest=self.latest,
            latest_at=self.latest_at,
            percentiles=dict(zip(map(percentile_name, percentiles), values, strict=True)),
            outcomes=outcomes,
            uptime=uptime_of(self.outcomes),
        )

    def _between_extremes(self, estimate: float | None) -> float | None:
        if estimate is None or self.value_min is None or self.value_max is None:
            return estimate
        return min(max(estimate, self.value_min), self.value_max)


def uptime_of(outcomes: Mapping[Outcome, int]) -> float | None:
    """The share of samples that found the target serving, among those that judged it."""
    serving = outcomes.get(Outcome.UP, 0) + outcomes.get(Outcome.DEGRADED, 0)
    judged = serving + outcomes.get(Outcome.DOWN, 0)
    return serving / judged if judged else None


def _latest_at(summary: Summary) -> datetime:
    assert summary.latest_at is not None  # noqa: S101 - the callers have filtered
    return summary.latest_at
