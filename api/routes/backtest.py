"""Rules tested over what is stored."""

from datetime import datetime, timedelta
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import problem_kinds
from api.openapi import problems, request_body
from api.paging import json_response
from api.problems import ProblemError, invalid_input, overloaded
from api.rule_answers import RULE
from api.schemas.backtest import RULE_TEST, RuleTestBody, RuleTestView, rule_test_json
from api.schemas.rules import RULES_PATH
from api.services import ApiServices, principal_of, services_of
from api.validation import MAX_ERRORS, read_model, refuse_nul
from shared.domain.judging.judgements import CompiledRule
from shared.domain.rule.rule_documents import RuleDocument, mistakes_of
from shared.domain.rule.rules import Rule
from shared.services.judging.backtest import LIMITS, MAX_CHANGES, MAX_MONITORS, BusyError, TooMuch
from shared.storage.rule.rule_store import RuleStore

router = APIRouter(tags=["rules"])

RETRY_SECONDS = 10
MAX_DAYS = 400
_DAY = timedelta(days=1)
_TOO_MUCH = {
    TooMuch.MONITORS: f"The rule selects more than {MAX_MONITORS:,} monitors: narrow its selector.",
    TooMuch.SAMPLES: f"There are more than {LIMITS.samples:,} samples: narrow the time, or the selector.",
    TooMuch.CHANGES: f"There are more than {MAX_CHANGES:,} changes of states: narrow the time, or the selector.",
}


@router.post(
    f"{RULES_PATH}:test",
    response_model=RuleTestView,
    summary="Test a rule over what is stored",
    responses=problems(404, 413, 415, 422),
    openapi_extra={"requestBody": request_body("RuleTestBody")},
)
async def test_rule(request: Request) -> Response:
    """Tell what would have fired, when, how long, and how often it flapped; nothing is written and nobody told."""
    services = services_of(request)
    body = await request.body()
    asked = read_model(RULE_TEST, body)
    refuse_nul(body)
    start, end = _time_of(asked, services.context.clock())
    rule = await _rule_of(services, asked, by=principal_of(request).principal_id, now=end)
    try:
        result = await services.backtesting.run(rule, start, end)
    except BusyError:
        raise overloaded(retry_after_seconds=RETRY_SECONDS) from None
    if isinstance(result, TooMuch):
        raise ProblemError(problem_kinds.TOO_MUCH_HISTORY, _TOO_MUCH[result], members={"of": result.value})
    return json_response(request, rule_test_json(result, CompiledRule.of(rule)))


def _time_of(asked: RuleTestBody, now: datetime) -> tuple[datetime, datetime]:
    end = min(asked.to or now, now)
    start = asked.from_ or end - min(asked.window or _DAY, MAX_DAYS * _DAY)
    if start >= end:
        raise invalid_input([{"detail": "this has to lie before the end, and before now", "pointer": "/from"}])
    if end - start > MAX_DAYS * _DAY:
        raise invalid_input([{"detail": f"one test reaches over {MAX_DAYS} days at most", "pointer": "/from"}])
    return start, end


async def _rule_of(services: ApiServices, asked: RuleTestBody, *, by: str, now: datetime) -> Rule:
    if asked.rule is not None:
        return _unsaved(asked.rule, services, by=by, now=now)
    async with services.context.database.transaction() as work:
        rule = None if asked.rule_id is None else await RuleStore(work).find(asked.rule_id)
    if rule is None:
        raise RULE.none_found()
    return rule


def _unsaved(document: RuleDocument, services: ApiServices, *, by: str, now: datetime) -> Rule:
    """The rule that a document says; whom it is to tell does not matter here."""
    kept = timedelta(days=services.context.settings.sample_days)
    mistakes = mistakes_of(document.spec, kept=kept, condition_at=document.condition_at)
    if mistakes:
        raise invalid_input(
            [{"detail": each.detail, "pointer": f"/rule{each.pointer}"} for each in mistakes[:MAX_ERRORS]]
        )
    return Rule(UUID(int=0), 1, document.spec, None, now, now, by)
