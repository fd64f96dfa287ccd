"""How monitors are written into answers: their bodies, and why a change was not made."""

from typing import Any

from api import problem_kinds
from api.change_answers import Noun, invalid_document, refusal_of_change
from api.problems import ProblemError, invalid_input
from shared.domain.durations import format_duration
from shared.domain.monitor.monitor_changes import MAX_MONITORS, InvalidMonitor, MonitorNotDone, NamedTwice
from shared.domain.monitor.uptime import Uptime
from shared.storage.monitor.monitor_store import LastLook, MonitorStatus

MONITORS_PATH = "/api/v1/monitors"
MONITOR = Noun(
    "monitor",
    MONITORS_PATH,
    MAX_MONITORS,
    exists=problem_kinds.MONITOR_EXISTS,
    too_many=problem_kinds.TOO_MANY_MONITORS,
    called="group and name",
)


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


def refusal_of(refused: MonitorNotDone, *, prefix: str = "", monitor_prefix: str = "") -> ProblemError:
    """Why a change was not made; the prefixes are the pointers to it, and to the monitor in it, in a larger body."""
    match refused:
        case InvalidMonitor(error=error):
            return invalid_document(error, prefix=monitor_prefix)
        case NamedTwice():
            return invalid_input([{"detail": "another item names the same monitor", "pointer": prefix}])
        case _:
            return refusal_of_change(refused, MONITOR)
