"""What capacity looks like."""

from datetime import datetime

from pydantic import Field

from api.schemas.jobs import View
from shared.domain.monitor.capacity import Capacity, CapacityFigures, CapacityLimit


class CapacityView(View):
    """What is scheduled, what the workers do, and what would help."""

    monitors: int = Field(description="Monitors that are looked at.")
    scheduled_per_second: float = Field(description="Looks that are due in a second, on average.")
    checks_per_second: float = Field(description="Looks that were taken in a second of the last minute.")
    possible_per_second: float | None = Field(
        description="Looks that the workers can take in a second; null where nothing was measured."
    )
    headroom_per_second: float | None = Field(
        description="What is possible less what is scheduled; below 0 too little."
    )
    workers: int = Field(description="Workers that take rounds.")
    cpu_share: float = Field(description="Cores that they use together.")
    busy_looks: float = Field(description="Looks under way at any moment, by their latest durations.")
    slots: int = Field(description="Looks that the workers take at once at most.")
    overloaded_since: datetime | None
    limited_by: CapacityLimit
    add_workers: int
    advice: str


def capacity_json(figures: CapacityFigures, capacity: Capacity) -> dict[str, object]:
    """Capacity as `CapacityView` describes it."""
    possible, headroom = capacity.possible_per_second, capacity.headroom_per_second
    return {
        "monitors": figures.monitors,
        "scheduled_per_second": round(figures.scheduled_per_second, 3),
        "checks_per_second": round(figures.checks_per_second, 3),
        "possible_per_second": None if possible is None else round(possible, 3),
        "headroom_per_second": None if headroom is None else round(headroom, 3),
        "workers": figures.workers,
        "cpu_share": round(figures.cpu_share, 3),
        "busy_looks": round(figures.busy_looks, 3),
        "slots": figures.workers * figures.slots_per_worker,
        "overloaded_since": figures.overloaded_since,
        "limited_by": capacity.limited_by.value,
        "add_workers": capacity.add_workers,
        "advice": capacity.advice,
    }
