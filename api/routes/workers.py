"""The worker processes: which there are, what they run, and whether they take more."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from api.answers import unkept_json
from api.openapi import problems
from api.paging import json_response, page_response, query_text
from api.problems import ProblemError, not_found
from api.schemas.queries import limit_of
from api.schemas.workers import (
    WORKER_ID,
    WorkerDetailView,
    WorkerId,
    WorkerListQuery,
    WorkerPage,
    WorkerView,
    held_json,
    worker_json,
)
from api.services import services_of
from shared.domain.fleet.workers import WorkerOrder

router = APIRouter(tags=["workers"])


class _WorkerIdConvertor(StringConvertor):
    """An id has colons, and so have the verbs behind it: only its whole shape tells where it ends."""

    regex = WORKER_ID


register_url_convertor("worker", _WorkerIdConvertor())

WORKERS_PATH = "/api/v1/workers"

_ORDERED: dict[str, Any] = {
    "status_code": 202,
    "response_model": WorkerView,
    "responses": {
        202: {"description": "It is ordered; the worker hears of it at once, or with its next report."},
        **problems(404),
    },
}


@router.get(WORKERS_PATH, response_model=WorkerPage, summary="List workers", responses=problems(422))
async def list_workers(query: Annotated[WorkerListQuery, Query()], request: Request) -> Response:
    """List the worker processes, those that fell silent within the last day, too."""
    services = services_of(request)
    limit = limit_of(query.limit, default=100, most=1000)
    filters = query_text(request)
    after = None if query.cursor is None else services.cursors.read(query.cursor, query=filters).decode()
    found = await services.context.fleet.list_workers(after=after, limit=limit + 1)
    page, next_cursor = services.cursors.cut(
        found, limit, place=lambda worker: worker.worker_id.encode(), query=filters
    )
    return page_response(request, [worker_json(worker) for worker in page], next_cursor=next_cursor)


@router.get(
    f"{WORKERS_PATH}/{{worker_id:worker}}",
    response_model=WorkerDetailView,
    summary="How a worker stands",
    responses=problems(404),
)
async def show_worker(worker_id: WorkerId, request: Request) -> Response:
    """Tell how a worker stands, and which jobs it has the lease of."""
    detail = await services_of(request).context.fleet.find(worker_id)
    if detail is None:
        raise no_such_worker()
    jobs = [held_json(held) for held in detail.jobs]
    return json_response(request, worker_json(detail.worker) | {"jobs": jobs})


@router.post(f"{WORKERS_PATH}/{{worker_id:worker}}:quiet", summary="Let a worker take nothing more", **_ORDERED)
async def quiet_worker(worker_id: WorkerId, request: Request) -> Response:
    """Order a worker to take no more jobs; it lives on, and finishes what it runs. Twice changes nothing."""
    return await _order(request, worker_id, WorkerOrder.QUIET)


@router.post(f"{WORKERS_PATH}/{{worker_id:worker}}:resume", summary="Let a quiet worker take jobs again", **_ORDERED)
async def resume_worker(worker_id: WorkerId, request: Request) -> Response:
    """Take back that the worker be quiet. Twice changes nothing."""
    return await _order(request, worker_id, None)


async def _order(request: Request, worker_id: str, order: WorkerOrder | None) -> Response:
    worker = await services_of(request).context.fleet.order(worker_id, order)
    if worker is None:
        raise no_such_worker()
    return unkept_json(worker_json(worker), status=202)


def no_such_worker() -> ProblemError:
    """There is no worker of the id, or not any more."""
    return not_found("There is no worker with this id; one that stopped is gone, and a new process has a new id.")
