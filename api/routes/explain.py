"""Alerts that explain themselves."""

from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.openapi import problems
from api.paging import json_response
from api.routes.alerts import ALERT_PATH, no_alert
from api.schemas.explain import ExplanationView, explanation_json
from api.services import services_of

router = APIRouter(tags=["alerts"])


@router.get(
    f"{ALERT_PATH}/explain",
    response_model=ExplanationView,
    summary="Explain an alert",
    responses=problems(404),
)
async def explain_alert(alert_id: UUID, request: Request) -> Response:
    """Tell by what it fired, how that stands now, who was told and when, what was held back, and what is still owed."""
    explained = await services_of(request).explaining.explain(alert_id)
    if explained is None:
        raise no_alert()
    return json_response(request, explanation_json(explained))
