"""Monitors read from requests and shown in answers."""

from datetime import timedelta
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from api.answers import Headers
from api.entity_tags import etag_of, not_modified, tagged_json
from api.monitor_answers import MONITOR, monitor_json, uptime_json
from api.schemas.monitors import MONITOR_SPEC
from api.services import ApiServices, principal_of, services_of
from api.validation import read_model, refuse_nul
from shared.domain.access import Scope
from shared.domain.alert.alerts import OPEN_STATES
from shared.domain.monitor.monitors import MonitorSpec
from shared.storage.alert.alert_reading import AlertReading
from shared.storage.heartbeat.heartbeat_store import HeartbeatStore
from shared.storage.monitor.monitor_store import MonitorStatus, MonitorStore

_DAY = {"24h": timedelta(hours=24)}


async def show(request: Request, monitor_id: UUID, *, status: int = 200, headers: Headers | None = None) -> Response:
    """Answer with the monitor, or that it still is what `If-None-Match` names.

    Raises:
        ProblemError: there is none.
    """
    services = services_of(request)
    found = await find_status(services, monitor_id)
    async with services.context.database.transaction() as work:
        open_alerts = await AlertReading(work).count_of_monitor(monitor_id)
    shown = monitor_json(found) | {"alerts": {state.value: open_alerts.get(state, 0) for state in OPEN_STATES}}
    etag = etag_of(shown)
    unchanged = not_modified(request, etag)
    if unchanged is not None:
        return unchanged
    uptime = (await services.uptime.of([monitor_id], _DAY)).get(monitor_id)
    shown["uptime"] = {"24h": None, "coverage": None} if uptime is None else uptime_json(uptime["24h"])
    if found.monitor.kind == "heartbeat" and principal_of(request).scope.includes(Scope.SUBMIT):
        shown["heartbeat"] = await _heartbeat_json(services, monitor_id)
    return tagged_json(shown, etag, status=status, headers=headers)


async def find_status(services: ApiServices, monitor_id: UUID) -> MonitorStatus:
    """The monitor and how it stands.

    Raises:
        ProblemError: there is none.
    """
    async with services.context.database.transaction() as work:
        found = await MonitorStore(work).find_status(monitor_id, now=services.context.clock())
    if found is None:
        raise MONITOR.none_found()
    return found


async def _heartbeat_json(services: ApiServices, monitor_id: UUID) -> dict[str, object] | None:
    async with services.context.database.transaction() as work:
        address = (await HeartbeatStore(work).addresses([monitor_id])).get(monitor_id)
    if address is None:
        return None
    return {
        "ping_path": f"/ping/{address.ping_id}",
        "push_path": f"/api/push/{address.push_token}",
        "slug": address.slug,
        "pings": address.pings,
    }


async def read_spec(request: Request) -> MonitorSpec:
    """The monitor in the request's body.

    Raises:
        ProblemError: it is none.
    """
    body = await request.body()
    spec = read_model(MONITOR_SPEC, body)
    refuse_nul(body)
    return spec
