"""How rules are written into answers, and why a change of one was not made."""

from uuid import UUID

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from api import problem_kinds
from api.answers import Headers
from api.change_answers import Noun, refusal_of_change
from api.entity_tags import etag_of, not_modified, tagged_json
from api.problems import ProblemError, invalid_input
from api.schemas.rules import RULES_PATH, rule_json
from api.services import services_of
from api.validation import MAX_ERRORS, validation_problem
from shared.domain.rule.rule_changes import InvalidRule, RuleNotDone
from shared.domain.rule.rules import MAX_RULES
from shared.storage.rule.rule_reading import RuleReading
from shared.storage.rule.rule_store import RuleStore

RULE = Noun("rule", RULES_PATH, MAX_RULES, exists=problem_kinds.RULE_EXISTS, too_many=problem_kinds.TOO_MANY_RULES)


async def show_rule(request: Request, rule_id: UUID, *, status: int = 200, headers: Headers | None = None) -> Response:
    """Answer with the rule, or that it still is what `If-None-Match` names.

    Raises:
        ProblemError: there is none.
    """
    services = services_of(request)
    async with services.context.database.transaction() as work:
        rule = await RuleStore(work).find(rule_id)
        open_alerts = await RuleReading(work).count_open_alerts([rule_id])
    if rule is None:
        raise RULE.none_found()
    shown = rule_json(rule, open_alerts.get(rule_id, {}))
    etag = etag_of(shown)
    unchanged = not_modified(request, etag)
    if unchanged is not None:
        return unchanged
    shown["monitors"] = await services.rules.count_monitors(rule)
    return tagged_json(shown, etag, status=status, headers=headers)


def refusal_of(refused: RuleNotDone) -> ProblemError:
    """Why a change was not made."""
    if not isinstance(refused, InvalidRule):
        return refusal_of_change(refused, RULE)
    if isinstance(refused.error, ValidationError):
        return validation_problem(refused.error)
    return invalid_input([{"detail": each.detail, "pointer": each.pointer} for each in refused.error[:MAX_ERRORS]])
