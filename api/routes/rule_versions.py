"""What rules once were."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from api.openapi import problems
from api.paging import json_response, page_response, query_text
from api.problems import not_found
from api.routes.rules import RULE_PATH
from api.rule_answers import RULE
from api.schemas.queries import limit_of
from api.schemas.rules import (
    RuleVersionListQuery,
    RuleVersionPage,
    RuleVersionView,
    rule_version_json,
)
from api.services import services_of
from shared.storage.rule.rule_reading import RuleReading
from shared.storage.rule.rule_store import RuleStore

router = APIRouter(tags=["rules"])


@router.get(
    f"{RULE_PATH}/versions",
    response_model=RuleVersionPage,
    summary="What a rule once was",
    responses=problems(404, 422),
)
async def list_versions(rule_id: UUID, query: Annotated[RuleVersionListQuery, Query()], request: Request) -> Response:
    """List a rule's versions, the newest first."""
    services = services_of(request)
    limit = limit_of(query.limit, default=50, most=200)
    filters = query_text(request)
    before = None if query.cursor is None else int(services.cursors.read(query.cursor, query=filters))
    async with services.context.database.transaction() as work:
        rule = await RuleStore(work).find(rule_id)
        found = await RuleReading(work).list_versions(rule_id, before=before, limit=limit + 1)
    if rule is None:
        raise RULE.none_found()
    page, next_cursor = services.cursors.cut(
        found, limit, place=lambda version: str(version.version).encode(), query=filters
    )
    return page_response(request, [rule_version_json(version) for version in page], next_cursor=next_cursor)


@router.get(
    f"{RULE_PATH}/versions/{{version}}",
    response_model=RuleVersionView,
    summary="What a rule was in a version",
    responses=problems(404, 422),
)
async def show_version(
    rule_id: UUID, version: Annotated[int, Path(ge=1, le=2**63 - 1, description="Its number.")], request: Request
) -> Response:
    """Tell what a rule was in a version, as an alert names it."""
    async with services_of(request).context.database.transaction() as work:
        rule = await RuleStore(work).find(rule_id)
        found = await RuleReading(work).find_version(rule_id, version)
    if rule is None or found is None:
        raise not_found("There is no such version of a rule with this id.")
    return json_response(request, rule_version_json(found))
