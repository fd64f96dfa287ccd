"""Secrets that targets name: their values go in and never come out."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api import problem_kinds
from api.answers import Answer, as_response, no_content
from api.openapi import problems, request_body
from api.paging import json_response, page_response, query_text
from api.problems import ProblemError, no_secret_key, not_found
from api.schemas.queries import limit_of
from api.schemas.secrets import (
    SECRET_BODY,
    SecretDeleteQuery,
    SecretListQuery,
    SecretName,
    SecretPage,
    SecretView,
    secret_json,
)
from api.services import principal_of, services_of
from api.validation import read_model, refuse_nul
from shared.storage.secret.secret_store import NamingMonitor, SecretStore
from shared.vault import NoSecretKeyError

router = APIRouter(tags=["secrets"])

SECRETS_PATH = "/api/v1/secrets"
SECRET_PATH = f"{SECRETS_PATH}/{{name}}"
NAMED_MONITORS = 10
"""How many of the monitors that name a secret are told."""


@router.get(SECRETS_PATH, response_model=SecretPage, summary="List secrets", responses=problems(422))
async def list_secrets(query: Annotated[SecretListQuery, Query()], request: Request) -> Response:
    """List the secrets in the order of their names, without their values."""
    services = services_of(request)
    limit = limit_of(query.limit, default=100, most=200)
    filters = query_text(request)
    after = services.cursors.read_text(query.cursor, query=filters)
    async with services.context.database.transaction() as work:
        found = await SecretStore(work).list_entries(after=after, limit=limit + 1)
    page, next_cursor = services.cursors.cut(found, limit, place=lambda entry: entry.name.encode(), query=filters)
    return page_response(request, [secret_json(entry) for entry in page], next_cursor=next_cursor)


@router.get(SECRET_PATH, response_model=SecretView, summary="Show a secret", responses=problems(404, 422))
async def show_secret(name: SecretName, request: Request) -> Response:
    """Tell what may be known of a secret: everything but its value."""
    async with services_of(request).context.database.transaction() as work:
        entry = await SecretStore(work).find(name)
    if entry is None:
        raise _no_secret(name)
    return json_response(request, secret_json(entry))


@router.put(
    SECRET_PATH,
    response_model=SecretView,
    summary="Set a secret",
    responses={
        201: {"description": "There was no secret of this name.", "model": SecretView},
        **problems(404, 409, 413, 415, 422),
    },
    openapi_extra={"requestBody": request_body("SecretBody")},
)
async def put_secret(name: SecretName, request: Request) -> Response:
    """Set a secret; what is collected from 5 seconds on uses the new value."""
    services = services_of(request)
    body = await request.body()
    wanted = read_model(SECRET_BODY, body)
    refuse_nul(body)
    try:
        sealed = services.context.vault.seal(wanted.value.get_secret_value())
    except NoSecretKeyError as error:
        raise no_secret_key(error) from None
    async with services.context.database.transaction() as work:
        secrets = SecretStore(work)
        is_new = await secrets.put(name, sealed, updated_by=principal_of(request).principal_id)
        entry = await secrets.find(name)
    if entry is None:
        raise _no_secret(name)
    shown = orjson.dumps(secret_json(entry), option=orjson.OPT_UTC_Z)
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"private, no-store")]
    return as_response(Answer(201 if is_new else 200, headers, shown))


@router.delete(
    SECRET_PATH,
    status_code=204,
    summary="Delete a secret",
    responses={204: {"description": "It is gone."}, **problems(404, 409, 422)},
)
async def delete_secret(name: SecretName, query: Annotated[SecretDeleteQuery, Query()], request: Request) -> Response:
    """Delete a secret that no monitor names; `force` deletes any."""
    async with services_of(request).context.database.transaction() as work:
        secrets = SecretStore(work)
        naming = [] if query.force else await secrets.list_naming(name, limit=NAMED_MONITORS + 1)
        is_deleted = not naming and await secrets.delete(name)
    if naming:
        raise _in_use(name, naming)
    if not is_deleted:
        raise _no_secret(name)
    return no_content()


def _no_secret(name: str) -> ProblemError:
    return not_found(f"There is no secret named {name}.")


def _in_use(name: str, naming: list[NamingMonitor]) -> ProblemError:
    count = f"more than {NAMED_MONITORS}" if len(naming) > NAMED_MONITORS else str(len(naming))
    return ProblemError(
        problem_kinds.SECRET_IN_USE,
        f"Monitors name {name}: {count}, of which `monitors` lists the first ones.",
        members={
            "monitors": [
                {"id": str(each.monitor_id), "group": each.group, "name": each.name} for each in naming[:NAMED_MONITORS]
            ]
        },
    )
