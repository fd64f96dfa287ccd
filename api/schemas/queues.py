"""What answers about queues look like, and what is sent to steer them."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from api.schemas.jobs import View
from shared.domain.fleet.queues import Forecast, ForecastReason, QueueFigures, QueueSettings
from shared.domain.fleet.scaling import LimitedBy, Scaling, ScalingReason
from shared.domain.job.jobs import BlockReason, JobKind
from shared.domain.numbers import WHOLE

QueueName = Annotated[JobKind, Path(description="The kind of the jobs in it.")]

MOST_WAITING = 100_000_000


class QueueModel(BaseModel):
    """What all bodies have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class QueueReason(QueueModel):
    """Why a queue is paused, drained or resumed."""

    reason: Annotated[str | None, Field(max_length=500, description="Shown with the queue.")] = None


class QueueBody(QueueModel):
    """What a queue is set to."""

    admission_limit: Annotated[
        Annotated[int, Field(ge=1, le=MOST_WAITING), WHOLE] | None,
        Field(description="How many due jobs may wait before submissions are refused; null is `TOCSIN_QUEUE_LIMIT`."),
    ]


QUEUE_REASON: TypeAdapter[QueueReason] = TypeAdapter(QueueReason)
QUEUE_BODY: TypeAdapter[QueueBody] = TypeAdapter(QueueBody)


class BlockedView(View):
    """How many due jobs are held back, by what holds them."""

    paused: int
    concurrency: int
    rate: int


class ForecastView(View):
    """When nothing waits any more, if jobs go on to come and end as in the last minute."""

    reason: ForecastReason
    empty_at: datetime | None = Field(description="Null is never, or not known; `reason` says why.")
    seconds: float | None
    uncertainty_seconds: float | None = Field(description="One standard deviation of `seconds`.")


class QueueView(View):
    """How a queue stands. Rates and service times are of the last minute, or of the latest 10,000 jobs in it."""

    queue: JobKind
    waiting: int = Field(description="Due, and waiting for a worker.")
    blocked: BlockedView
    scheduled: int
    retrying: int
    running: int
    is_estimate: bool = Field(description="Whether a count reached its bound, so that there may be more.")
    oldest_waiting_seconds: float | None = Field(description="For how long the oldest job waits for a worker.")
    arrivals_per_second: float
    ends_per_second: float
    service_seconds_p50: float | None = Field(description="How long a job's work takes; null when none ended lately.")
    workers: int = Field(description="Workers alive that take jobs of this queue.")
    slots: int = Field(description="How many of its jobs they run at once at most.")
    paused_at: datetime | None
    draining_at: datetime | None
    changed_by: str | None = Field(description="Who paused, drained or resumed it last.")
    reason: str | None
    admission_limit: int
    forecast: ForecastView
    measured_at: datetime


class QueueList(View):
    """All queues."""

    items: list[QueueView]
    next_cursor: None = None


class ScalingView(View):
    """How many workers a queue should have; an autoscaler reads `desired_workers`."""

    queue: JobKind
    desired_workers: int
    desired_slots: int
    reason: ScalingReason
    limited_by: LimitedBy
    counterfactual: str = Field(description="What two more workers would change.")
    backlog: int = Field(description="Jobs that wait for a worker.")
    oldest_age_seconds: float
    arrival_rate: float
    service_seconds: float | None = Field(description="The mean, as Little's law needs it.")
    workers: int
    slots: int
    measured_at: datetime


def queue_json(
    kind: JobKind, figures: QueueFigures, settings: QueueSettings, *, forecast: Forecast, admission_limit: int
) -> dict[str, object]:
    """A queue as `QueueView` describes it."""
    return {
        "queue": kind.value,
        "waiting": figures.waiting,
        "blocked": {reason.value: figures.blocked.get(reason, 0) for reason in BlockReason},
        "scheduled": figures.scheduled,
        "retrying": figures.retrying,
        "running": figures.running,
        "is_estimate": figures.is_estimate,
        "oldest_waiting_seconds": rounded(figures.oldest_seconds),
        "arrivals_per_second": rounded(figures.arrivals.per_second),
        "ends_per_second": rounded(figures.ends.per_second),
        "service_seconds_p50": rounded(figures.service_p50_seconds),
        "workers": figures.workers,
        "slots": figures.slots,
        "paused_at": settings.paused_at,
        "draining_at": settings.draining_at,
        "changed_by": settings.changed_by,
        "reason": settings.reason,
        "admission_limit": admission_limit,
        "forecast": {
            "reason": forecast.reason.value,
            "empty_at": _moment_of(figures, forecast),
            "seconds": rounded(forecast.seconds),
            "uncertainty_seconds": rounded(forecast.uncertainty_seconds),
        },
        "measured_at": figures.measured_at,
    }


def scaling_json(kind: JobKind, figures: QueueFigures, scaling: Scaling) -> dict[str, object]:
    """The answer as `ScalingView` describes it."""
    return {
        "queue": kind.value,
        "desired_workers": scaling.desired_workers,
        "desired_slots": scaling.desired_slots,
        "reason": scaling.reason.value,
        "limited_by": scaling.limited_by.value,
        "counterfactual": scaling.counterfactual,
        "backlog": figures.waiting,
        "oldest_age_seconds": rounded(figures.oldest_seconds or 0.0),
        "arrival_rate": rounded(figures.arrivals.per_second),
        "service_seconds": rounded(figures.service_mean_seconds),
        "workers": figures.workers,
        "slots": figures.slots,
        "measured_at": figures.measured_at,
    }


def rounded(value: float | None) -> float | None:
    """To the microsecond: what lies behind it was never measured."""
    return None if value is None else round(value, 6)


def _moment_of(figures: QueueFigures, forecast: Forecast) -> datetime | None:
    """The forecast's moment; one too far away to write down is never."""
    if forecast.seconds is None or forecast.seconds > FAR_SECONDS:
        return None
    return figures.measured_at + timedelta(seconds=forecast.seconds)


FAR_SECONDS = 366 * 86400.0
"""A forecast beyond a year says nothing."""
