"""Rules: made, found, changed and deleted."""

from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from api.answers import no_content
from api.change_answers import headers_of, status_of
from api.entity_tags import versions_asked_for, versions_demanded
from api.openapi import IF_MATCH_RULE, IF_NONE_MATCH_RULE, problems, request_body
from api.paging import page_response, query_text
from api.problems import invalid_input
from api.rule_answers import RULE, refusal_of, show_rule
from api.schemas.queries import limit_of
from api.schemas.rules import (
    RULES_PATH,
    RuleDetailView,
    RuleListQuery,
    RulePage,
    rule_json,
)
from api.services import principal_of, services_of
from api.validation import read_json, read_model, refuse_nul
from shared.domain.change_results import Done
from shared.domain.rule.rule_changes import CreateRule, DeleteRule, PatchRule, PutRule, ReplaceRule, RuleChange
from shared.domain.rule.rule_documents import RULE_DOCUMENT, RuleDocument
from shared.storage.rule.rule_reading import RuleFilter, RuleReading

router = APIRouter(tags=["rules"])

RULE_PATH = f"{RULES_PATH}/{{rule_id:uuid}}"
_BODY = {"requestBody": request_body("RuleDocument")}


@router.get(RULES_PATH, response_model=RulePage, summary="List rules", responses=problems(422))
async def list_rules(query: Annotated[RuleListQuery, Query()], request: Request) -> Response:
    """List rules in the order of their names."""
    services = services_of(request)
    limit = limit_of(query.limit, default=50, most=200)
    filters = query_text(request)
    after = services.cursors.read_text(query.cursor, query=filters)
    wanted = RuleFilter(query.q, query.enabled, frozenset(query.severity), query.owner, query.channel)
    async with services.context.database.transaction() as work:
        reading = RuleReading(work)
        found = await reading.list_rules(wanted, after=after, limit=limit + 1)
        counts = await reading.count_open_alerts([rule.rule_id for rule in found])
    page, next_cursor = services.cursors.cut(found, limit, place=lambda rule: rule.spec.name.encode(), query=filters)
    return page_response(
        request, [rule_json(rule, counts.get(rule.rule_id, {})) for rule in page], next_cursor=next_cursor
    )


@router.post(
    RULES_PATH,
    status_code=201,
    response_model=RuleDetailView,
    summary="Make a rule",
    responses=problems(409, 413, 415, 422),
    openapi_extra=_BODY,
)
async def create_rule(request: Request) -> Response:
    """Make a rule; there is one of a name, so that a repeat makes no second one."""
    return await _answer(request, CreateRule(uuid7(), await read_rule(request)))


@router.put(
    RULES_PATH,
    response_model=RuleDetailView,
    summary="Make or change the rule of a name",
    responses={201: {"description": "There was none.", "model": RuleDetailView}, **problems(409, 413, 415, 422)},
    openapi_extra=_BODY,
)
async def put_rule(request: Request) -> Response:
    """Make the rule, or make it as it is said: what is not given is as if it were made anew."""
    return await _answer(request, PutRule(uuid7(), await read_rule(request)))


@router.get(
    RULE_PATH,
    response_model=RuleDetailView,
    summary="What a rule is",
    responses={304: {"description": "It still has the entity tag you have."}, **problems(404)},
    openapi_extra={"parameters": [IF_NONE_MATCH_RULE]},
)
async def show_one(rule_id: UUID, request: Request) -> Response:
    """Tell what a rule is, how many monitors it judges and how many of its alerts are open."""
    return await show_rule(request, rule_id)


@router.put(
    RULE_PATH,
    response_model=RuleDetailView,
    summary="Replace a rule",
    responses=problems(404, 409, 412, 413, 415, 422, 428),
    openapi_extra={**_BODY, "parameters": [IF_MATCH_RULE]},
)
async def replace_rule(rule_id: UUID, request: Request) -> Response:
    """Make a rule as it is said, by another name too; its alerts are judged anew."""
    versions = versions_demanded(request, noun="rule")
    return await _answer(request, ReplaceRule(rule_id, await read_rule(request), versions))


@router.patch(
    RULE_PATH,
    response_model=RuleDetailView,
    summary="Change a rule",
    responses=problems(404, 409, 412, 413, 415, 422, 428),
    openapi_extra={"requestBody": request_body("RulePatch"), "parameters": [IF_MATCH_RULE]},
)
async def patch_rule(rule_id: UUID, request: Request) -> Response:
    """Change fields by a merge patch (RFC 7396); the condition is replaced whole, by an `expression` too."""
    versions = versions_demanded(request, noun="rule")
    body = await request.body()
    refuse_nul(body)
    patch = read_json(body)
    if not isinstance(patch, dict):
        raise invalid_input([{"detail": "a merge patch of a rule is an object", "pointer": ""}])
    return await _answer(request, PatchRule(rule_id, cast(dict[str, Any], patch), versions))


@router.delete(
    RULE_PATH,
    status_code=204,
    summary="Delete a rule",
    responses={204: {"description": "It is deleted."}, **problems(404, 412)},
    openapi_extra={"parameters": [IF_MATCH_RULE]},
)
async def delete_rule(rule_id: UUID, request: Request) -> Response:
    """Judge by a rule no longer: its alerts end, and who was told that they fire is told so."""
    await _change(request, DeleteRule(rule_id, versions_asked_for(request)))
    return no_content()


async def read_rule(request: Request) -> RuleDocument:
    """The rule in the request's body.

    Raises:
        ProblemError: it is none.
    """
    body = await request.body()
    document = read_model(RULE_DOCUMENT, body)
    refuse_nul(body)
    return document


async def _change(request: Request, change: RuleChange) -> Done:
    by = principal_of(request).principal_id
    result = await services_of(request).rules.change(change, by=by)
    if not isinstance(result, Done):
        raise refusal_of(result)
    return result


async def _answer(request: Request, change: RuleChange) -> Response:
    """Carry a change out and show the rule."""
    done = await _change(request, change)
    return await show_rule(request, done.item_id, status=status_of(done), headers=headers_of(done, RULE))
