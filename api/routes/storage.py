"""How much room samples take."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.openapi import problems
from api.paging import json_response
from api.schemas.storage import StorageView, storage_json
from api.services import services_of

router = APIRouter(tags=["statistics"])


@router.get("/api/v1/storage", response_model=StorageView, summary="Storage of samples", responses=problems())
async def show_storage(request: Request) -> Response:
    """Tell how much room samples take at each resolution, how far they reach back, and what was dropped."""
    return json_response(request, storage_json(await services_of(request).storage_cap.report()))
