"""Inhibitions and dependencies: alerts that others explain."""

from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from api import problem_kinds
from api.answers import no_content, unkept_json
from api.openapi import problems, request_body
from api.paging import json_response, page_response
from api.problems import ProblemError, not_found
from api.schemas.inhibitions import INHIBITION_BODY, InhibitionList, InhibitionView, inhibition_json
from api.services import principal_of, services_of
from api.suppression_problems import too_many
from api.validation import read_model, refuse_nul
from shared.domain.suppression.inhibitions import MAX_INHIBITIONS, Inhibition
from shared.services.suppression.inhibitions import NameTakenError
from shared.services.suppression.suppression_bounds import TooManyError
from shared.storage.suppression.inhibition_store import InhibitionStore

router = APIRouter(tags=["silences"])

INHIBITIONS_PATH = "/api/v1/inhibitions"
INHIBITION_PATH = f"{INHIBITIONS_PATH}/{{inhibition_id:uuid}}"


@router.get(INHIBITIONS_PATH, response_model=InhibitionList, summary="List inhibitions", responses=problems())
async def list_inhibitions(request: Request) -> Response:
    """List inhibitions and dependencies in the order of their names."""
    async with services_of(request).context.database.transaction() as work:
        found = await InhibitionStore(work).list_all()
    return page_response(request, [inhibition_json(each) for each in found], next_cursor=None)


@router.get(INHIBITION_PATH, response_model=InhibitionView, summary="Show an inhibition", responses=problems(404, 422))
async def show_inhibition(inhibition_id: UUID, request: Request) -> Response:
    """Show an inhibition or a dependency."""
    async with services_of(request).context.database.transaction() as work:
        found = await InhibitionStore(work).find(inhibition_id)
    if found is None:
        raise _no_inhibition()
    return json_response(request, inhibition_json(found))


@router.post(
    INHIBITIONS_PATH,
    status_code=201,
    response_model=InhibitionView,
    summary="Make an inhibition",
    responses=problems(409, 413, 415, 422),
    openapi_extra={"requestBody": request_body("InhibitionBody")},
)
async def make_inhibition(request: Request) -> Response:
    """Let alerts not be told while another alert fires, or a monitor is down, that explains them."""
    wanted = await _read(request, uuid7())
    try:
        await services_of(request).inhibitions.make(wanted)
    except NameTakenError:
        raise _name_taken(wanted.name) from None
    except TooManyError:
        raise too_many("inhibitions", MAX_INHIBITIONS) from None
    return unkept_json(inhibition_json(wanted), status=201, location=f"{INHIBITIONS_PATH}/{wanted.inhibition_id}")


@router.put(
    INHIBITION_PATH,
    response_model=InhibitionView,
    summary="Replace an inhibition",
    responses=problems(404, 409, 413, 415, 422),
    openapi_extra={"requestBody": request_body("InhibitionBody")},
)
async def replace_inhibition(inhibition_id: UUID, request: Request) -> Response:
    """Make an inhibition what the body says."""
    wanted = await _read(request, inhibition_id)
    try:
        changed = await services_of(request).inhibitions.replace(wanted)
    except NameTakenError:
        raise _name_taken(wanted.name) from None
    if changed is None:
        raise _no_inhibition()
    return unkept_json(inhibition_json(changed))


@router.delete(
    INHIBITION_PATH,
    status_code=204,
    summary="Delete an inhibition",
    responses={204: {"description": "It is gone."}, **problems(404)},
)
async def delete_inhibition(inhibition_id: UUID, request: Request) -> Response:
    """Delete an inhibition; what it held back and still fires is told within seconds."""
    async with services_of(request).context.database.transaction() as work:
        is_deleted = await InhibitionStore(work).delete(inhibition_id)
    if not is_deleted:
        raise _no_inhibition()
    return no_content()


async def _read(request: Request, inhibition_id: UUID) -> Inhibition:
    body = await request.body()
    wanted = read_model(INHIBITION_BODY, body)
    refuse_nul(body)
    now = services_of(request).context.clock()
    return wanted.inhibition_of(inhibition_id, now=now, by=principal_of(request).principal_id)


def _name_taken(name: str) -> ProblemError:
    return ProblemError(problem_kinds.INHIBITION_EXISTS, f"There is another inhibition named {name}.")


def _no_inhibition() -> ProblemError:
    return not_found("There is no inhibition with this id.")
