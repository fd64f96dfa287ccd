"""Ping keys over HTTP, for admins."""

from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.answers import unkept_json
from api.openapi import problems, request_body
from api.paging import page_response
from api.problems import not_found
from api.schemas.pings import PING_KEY_BODY, CreatedPingKeyView, PingKeyPage, PingKeyView, ping_key_json
from api.services import principal_of, services_of
from api.validation import read_model, refuse_nul

router = APIRouter(tags=["heartbeats"])

PING_KEYS_PATH = "/api/v1/ping-keys"


@router.get(PING_KEYS_PATH, response_model=PingKeyPage, summary="List ping keys", responses=problems())
async def list_ping_keys(request: Request) -> Response:
    """List all ping keys, revoked ones too, the newest first."""
    keys = await services_of(request).ping_keys.list_keys()
    return page_response(request, [ping_key_json(key) for key in keys], next_cursor=None)


@router.post(
    PING_KEYS_PATH,
    status_code=201,
    response_model=CreatedPingKeyView,
    summary="Make a ping key",
    responses=problems(413, 415, 422),
    openapi_extra={"requestBody": request_body("PingKeyBody")},
)
async def create_ping_key(request: Request) -> Response:
    """Make a key that goes before the slugs in ping URLs; it is in this answer and nowhere else."""
    body = await request.body()
    wanted = read_model(PING_KEY_BODY, body)
    refuse_nul(body)
    created = await services_of(request).ping_keys.create(wanted.name, created_by=principal_of(request).principal_id)
    shown = ping_key_json(created.key) | {"key": created.secret}
    return unkept_json(shown, status=201, location=f"{PING_KEYS_PATH}/{created.key.key_id}")


@router.delete(
    f"{PING_KEYS_PATH}/{{key_id:uuid}}",
    response_model=PingKeyView,
    summary="Revoke a ping key",
    responses=problems(404),
)
async def revoke_ping_key(key_id: UUID, request: Request) -> Response:
    """Revoke a key for good; every process knows within seconds. Doing it twice changes nothing."""
    services = services_of(request)
    key = await services.ping_keys.revoke(key_id)
    services.ping_keyring.forget_all()
    if key is None:
        raise not_found("There is no ping key with this id.")
    return unkept_json(ping_key_json(key))
