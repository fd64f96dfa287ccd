"""Windows filled with the samples that were stored before a rule came to judge them."""

from datetime import datetime

from shared.domain.judging.window_codec import Windows
from shared.domain.sample.sample_columns import SampleColumns, moment_at
from shared.domain.target.kinds import METRICS


def place_of(metric: str, kind: str) -> int:
    """Where the samples of a kind keep a metric, as `SampleColumns` counts."""
    return 0 if metric == "duration_ms" else METRICS[kind].index(metric) + 1


def add_samples(windows: Windows, kind: str, samples: SampleColumns) -> None:
    """Add samples in the order of their moments, as if each were added when it comes; a microsecond each."""
    if not len(samples):
        return
    moments = (samples.moments // 1000).tolist()
    outcomes = samples.outcomes.tolist()
    windows.newest_ms = max(windows.newest_ms or moments[-1], moments[-1])
    for ring in windows.rings:
        metric = ring.spec.metric
        values = [None] * len(moments) if metric is None else _values_at(samples, place_of(metric, kind))
        for at_ms, outcome, value in zip(moments, outcomes, values, strict=True):
            ring.add(at_ms, outcome, value)


def first_of(samples: SampleColumns) -> datetime | None:
    """The moment of the oldest sample."""
    return moment_at(int(samples.moments[0])) if len(samples) else None


def _values_at(samples: SampleColumns, place: int) -> list[float | None]:
    # What is absent is no number there, and so unequal to itself.
    return [value if value == value else None for value in samples.values_at(place).tolist()]  # noqa: PLR0124
