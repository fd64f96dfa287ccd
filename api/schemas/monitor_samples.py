"""What a monitor's samples look like."""

from datetime import datetime

from pydantic import Field

from api.schemas.jobs import View
from shared.domain.sample.monitor_samples import ShownSample
from shared.domain.target.outcome import Outcome


class MonitorSampleView(View):
    """One sample of a monitor."""

    at: datetime = Field(description="The slot it belongs to.")
    outcome: Outcome
    duration_ms: float | None
    metrics: dict[str, float]
    code: str | None = Field(description="Why it was not up.")
    message: str | None


class MonitorSamplePage(View):
    """A monitor's samples, the newest first."""

    items: list[MonitorSampleView]
    next_cursor: str | None


def sample_json(sample: ShownSample) -> dict[str, object]:
    """A sample as `MonitorSampleView` describes it."""
    return {
        "at": sample.at,
        "outcome": sample.outcome.value,
        "duration_ms": sample.duration_ms,
        "metrics": sample.metrics,
        "code": sample.code,
        "message": sample.message,
    }
