"""Capacity: whether the workers keep up with what is scheduled, and how many more it takes."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.openapi import problems
from api.paging import json_response
from api.schemas.capacity import CapacityView, capacity_json
from api.services import services_of

router = APIRouter(tags=["monitors"])

CAPACITY_PATH = "/api/v1/capacity"


@router.get(CAPACITY_PATH, response_model=CapacityView, summary="Whether the workers keep up", responses=problems())
async def show_capacity(request: Request) -> Response:
    """Tell what is scheduled and what is done, what is left, what limits it, and how many workers to add."""
    figures, capacity = await services_of(request).capacity.read()
    return json_response(request, capacity_json(figures, capacity))
