"""Changing many monitors at once, each as it is told."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from api.answers import Answer, as_response
from api.monitor_answers import MONITORS_PATH, refusal_of
from api.openapi import problems, request_body
from api.problems import ProblemError, invalid_input, problem_json
from api.schemas.monitor_changes import (
    BATCH,
    ITEM,
    CreateItem,
    DeleteItem,
    Item,
    MonitorBatchView,
    PauseItem,
    UpdateItem,
    UpsertItem,
)
from api.services import principal_of, services_of
from api.validation import MAX_ERRORS, read_model, refuse_nul
from shared.domain.change_results import Changed, Deleted, Done, Made, Unchanged
from shared.domain.monitor.monitor_changes import (
    CreateMonitor,
    DeleteMonitor,
    MonitorChange,
    MonitorResult,
    PatchMonitor,
    PauseMonitor,
    PutMonitor,
)
from shared.services.monitor.monitors import ChangesRefusedError

router = APIRouter(tags=["monitors"])

YIELD_EVERY = 50
"""Items judged in one go; a thousand would hold up every other request for some ten milliseconds."""


@dataclass(frozen=True, slots=True)
class _Placed:
    """A change and the place it was sent at."""

    place: int
    change: MonitorChange

    @property
    def pointer(self) -> str:
        return f"/items/{self.place}"

    @property
    def monitor_pointer(self) -> str:
        return f"{self.pointer}/{'patch' if isinstance(self.change, PatchMonitor) else 'monitor'}"


@router.post(
    f"{MONITORS_PATH}:batch",
    response_model=MonitorBatchView,
    summary="Make, change, pause or delete up to 1,000 monitors",
    responses=problems(404, 409, 412, 413, 415, 422),
    openapi_extra={"requestBody": request_body("MonitorBatch")},
)
async def change_monitors(request: Request) -> Response:
    """Carry out what nothing forbids, in one transaction; with `atomic` everything or nothing."""
    batch = read_model(BATCH, await request.body())
    judged = await _judge_all(batch.items)
    wrong = [each for each in judged if isinstance(each, ProblemError)]
    if batch.atomic and wrong:
        raise invalid_input([error for each in wrong for error in each.members.get("errors", [])][:MAX_ERRORS])
    placed = [each for each in judged if isinstance(each, _Placed)]
    done = await _carry_out(request, placed, is_atomic=batch.atomic)
    results = [_refused(each) if isinstance(each, ProblemError) else done[each.place] for each in judged]
    count = sum("id" in each for each in results)
    body = orjson.dumps({"done": count, "refused": len(results) - count, "results": results})
    return as_response(Answer(200, [(b"content-type", b"application/json")], body))


async def _judge_all(items: Sequence[object]) -> list[_Placed | ProblemError]:
    judged = []
    for place, item in enumerate(items):
        judged.append(_judge(item, place))
        if place % YIELD_EVERY == YIELD_EVERY - 1:
            await asyncio.sleep(0)
    return judged


def _judge(item: object, place: int) -> _Placed | ProblemError:
    pointer = f"/items/{place}"
    try:
        body = orjson.dumps(item)
        read = read_model(ITEM, body, prefix=pointer)
        refuse_nul(body, prefix=pointer)
    except ProblemError as problem:
        return problem
    except orjson.JSONEncodeError:
        # Numbers beyond 64 bits and endless nesting: no change has either.
        return invalid_input([{"detail": "this is no change of a monitor", "pointer": pointer}])
    return _Placed(place, _change_of(read))


def _change_of(item: Item) -> MonitorChange:
    match item:
        case CreateItem():
            return CreateMonitor(uuid7(), item.monitor)
        case UpsertItem():
            return PutMonitor(uuid7(), item.monitor)
        case UpdateItem():
            return PatchMonitor(item.id, item.patch, _versions(item.version))
        case PauseItem():
            return PauseMonitor(item.id, is_paused=item.op == "pause")
        case DeleteItem():
            return DeleteMonitor(item.id, _versions(item.version))
        case _:
            assert_never(item)


def _versions(version: int | None) -> frozenset[int] | None:
    return None if version is None else frozenset({version})


async def _carry_out(request: Request, placed: Sequence[_Placed], *, is_atomic: bool) -> dict[int, dict[str, Any]]:
    """What became of each change, by its place."""
    if not placed:
        return {}
    try:
        results = await services_of(request).monitors.change(
            [each.change for each in placed], by=principal_of(request).principal_id, is_atomic=is_atomic
        )
    except ChangesRefusedError as error:
        raise _refusal_of_all(placed, error.results) from None
    return {each.place: _told(each, result) for each, result in zip(placed, results, strict=True)}


def _refusal_of_all(placed: Sequence[_Placed], results: Sequence[MonitorResult]) -> ProblemError:
    """Why a batch that is all or nothing was not carried out: every wrong place, else the first refusal."""
    refusals = [
        (each, refusal_of(result, prefix=each.pointer, monitor_prefix=each.monitor_pointer))
        for each, result in zip(placed, results, strict=True)
        if not isinstance(result, Done)
    ]
    errors = [error for _, refusal in refusals for error in refusal.members.get("errors", [])]
    if errors:
        return invalid_input(errors[:MAX_ERRORS])
    each, first = refusals[0]
    first.members["pointer"] = each.pointer
    return first


def _told(placed: _Placed, result: MonitorResult) -> dict[str, Any]:
    match result:
        case Made():
            told = {"status": 201, "result": "created", "location": f"{MONITORS_PATH}/{result.item_id}"}
        case Changed():
            told = {"status": 200, "result": "changed"}
        case Unchanged():
            told = {"status": 200, "result": "unchanged"}
        case Deleted():
            told = {"status": 204, "result": "deleted"}
        case _:
            return _refused(refusal_of(result, prefix=placed.pointer, monitor_prefix=placed.monitor_pointer))
    return told | {"id": str(result.item_id)}


def _refused(problem: ProblemError) -> dict[str, Any]:
    return {"status": problem.kind.status, "problem": problem_json(problem)}
