"""API keys over HTTP, for admins."""

from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.answers import unkept_json
from api.openapi import problems, request_body
from api.paging import page_response
from api.problems import not_found
from api.schemas.keys import KEY_BODY, CreatedKeyView, KeyPage, KeyView, key_json
from api.services import principal_of, services_of
from api.validation import read_model, refuse_nul

router = APIRouter(tags=["keys"])

KEYS_PATH = "/api/v1/keys"


@router.get(KEYS_PATH, response_model=KeyPage, summary="List API keys", responses=problems())
async def list_keys(request: Request) -> Response:
    """List all keys, revoked ones too, the newest first."""
    keys = await services_of(request).access.list_keys()
    return page_response(request, [key_json(key) for key in keys], next_cursor=None)


@router.post(
    KEYS_PATH,
    status_code=201,
    response_model=CreatedKeyView,
    summary="Make an API key",
    responses=problems(413, 415, 422),
    openapi_extra={"requestBody": request_body("KeyBody")},
)
async def create_key(request: Request) -> Response:
    """Make a key; its secret is in this answer and nowhere else."""
    body = await request.body()
    wanted = read_model(KEY_BODY, body)
    refuse_nul(body)
    created = await services_of(request).access.create(
        wanted.name, wanted.scope, created_by=principal_of(request).principal_id, expires_at=wanted.expires_at
    )
    shown = key_json(created.key) | {"key": created.secret}
    return unkept_json(shown, status=201, location=f"{KEYS_PATH}/{created.key.key_id}")


@router.delete(
    f"{KEYS_PATH}/{{key_id:uuid}}", response_model=KeyView, summary="Revoke an API key", responses=problems(404)
)
async def revoke_key(key_id: UUID, request: Request) -> Response:
    """Revoke a key for good; every process knows within seconds. Doing it twice changes nothing."""
    services = services_of(request)
    key = await services.access.revoke(key_id)
    services.authentication.forget_all()
    if key is None:
        raise not_found("There is no key with this id.")
    return unkept_json(key_json(key))
