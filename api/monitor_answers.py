"""How monitors are written into answers: their bodies, and why a change was not made."""

from typing import Any, assert_never

from pydantic import ValidationError

from api import problem_kinds
from api.problems import ProblemError, invalid_input, no_secret_key, not_found
from api.validation import validation_problem
from shared.domain.durations import format_duration
from shared.domain.monitor.monitor_changes import (
    MAX_MONITORS,
    CannotSeal,
    InvalidMonitor,
    MonitorUnknown,
    NamedTwice,
    NameTaken,
    NotDone,
    TooManyMonitors,
    VersionDiffers,
)
from shared.domain.monitor.target_documents import WrongPlaceError
from shared.domain.monitor.uptime import Uptime
from shared.storage.monitor.monitor_store import LastLook, MonitorStatus

MONITORS_PATH = "/api/v1/monitors"


def monitor_json(status: MonitorStatus) -> dict[str, Any]:
    """A monitor as `MonitorView` describes it."""
    monitor = status.monitor
    schedule = monitor.schedule
    path = f"{MONITORS_PATH}/{monitor.monitor_id}"
    return {
        "id": str(monitor.monitor_id),
        "name": monitor.name,
        "group": monitor.group,
        "description": monitor.description,
        "kind": monitor.kind,
        "target": monitor.shown,
        "interval": None if schedule.interval is None else format_duration(schedule.interval),
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "confirmations": monitor.confirmations,
        "confirm_interval": format_duration(monitor.confirm_interval),
        "labels": monitor.labels,
        "paused": monitor.paused_at is not None,
        "owner": monitor.owner,
        "state": status.state.value,
        "since": status.since,
        "code": status.code,
        "message": status.message,
        "last": None if status.last is None else _last_json(status.last),
        "next_at": status.next_at,
        "version": monitor.version,
        "created_at": monitor.created_at,
        "updated_at": monitor.updated_at,
        "created_by": monitor.created_by,
        "links": {"self": path, "uptime": f"{path}/uptime", "timeline": f"{path}/timeline"},
    }


def _last_json(last: LastLook) -> dict[str, Any]:
    return {
        "at": last.at,
        "outcome": last.outcome.value,
        "duration_ms": last.duration_ms,
        "code": last.code,
        "message": last.message,
    }


def uptime_json(uptime: Uptime) -> dict[str, float | None]:
    """The uptime of the last 24 hours as `MonitorUptimeView` describes it."""
    return {"24h": uptime.ratio, "coverage": uptime.coverage}


def no_monitor() -> ProblemError:
    """There is no such monitor."""
    return not_found("There is no monitor with this id.")


def refusal_of(refused: NotDone, *, prefix: str = "", monitor_prefix: str = "") -> ProblemError:
    """Why a change was not made; the prefixes are the pointers to it, and to the monitor in it, in a larger body."""
    match refused:
        case InvalidMonitor(error=error):
            return _invalid(error, prefix=monitor_prefix)
        case NamedTwice():
            return invalid_input([{"detail": "another item names the same monitor", "pointer": prefix}])
        case _:
            return _refusal_by_state(refused)


def _refusal_by_state(
    refused: MonitorUnknown | NameTaken | VersionDiffers | TooManyMonitors | CannotSeal,
) -> ProblemError:
    match refused:
        case MonitorUnknown():
            return no_monitor()
        case NameTaken(holder_id=holder_id):
            return ProblemError(
                problem_kinds.MONITOR_EXISTS,
                "Another monitor has this group and name.",
                members={"monitor": f"{MONITORS_PATH}/{holder_id}", "id": str(holder_id)},
            )
        case VersionDiffers(version=version):
            return ProblemError(
                problem_kinds.PRECONDITION_FAILED,
                "The monitor no longer has the version that the request is meant for.",
                members={"version": version},
            )
        case TooManyMonitors():
            return ProblemError(problem_kinds.TOO_MANY_MONITORS, f"There may be {MAX_MONITORS:,} monitors at most.")
        case CannotSeal(message=message):
            return no_secret_key(message)
        case _:
            assert_never(refused)


def _invalid(error: ValidationError | WrongPlaceError, *, prefix: str) -> ProblemError:
    if isinstance(error, WrongPlaceError):
        return invalid_input([{"detail": error.detail, "pointer": prefix + error.pointer}])
    return validation_problem(error, prefix=prefix)
