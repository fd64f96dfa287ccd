"""How rules are written into answers, and why a change of one was not made."""

from typing import assert_never
from uuid import UUID

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from api import problem_kinds
from api.answers import Headers
from api.entity_tags import etag_of, not_modified, tagged_json
from api.problems import ProblemError, invalid_input, not_found
from api.schemas.rules import RULES_PATH, rule_json
from api.services import services_of
from api.validation import MAX_ERRORS, validation_problem
from shared.domain.alert.rule_changes import (
    InvalidRule,
    RuleNameTaken,
    RuleNotDone,
    RuleUnknown,
    RuleVersionDiffers,
    TooManyRules,
)
from shared.domain.alert.rule_documents import RuleMistake
from shared.domain.alert.rules import MAX_RULES
from shared.storage.alert.rule_reading import RuleReading
from shared.storage.alert.rule_store import RuleStore


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
        raise no_rule()
    shown = rule_json(rule, open_alerts.get(rule_id, {}))
    etag = etag_of(shown)
    unchanged = not_modified(request, etag)
    if unchanged is not None:
        return unchanged
    shown["monitors"] = await services.rules.count_monitors(rule)
    return tagged_json(shown, etag, status=status, headers=headers)


def no_rule() -> ProblemError:
    """There is no such rule."""
    return not_found("There is no rule with this id.")


def refusal_of(refused: RuleNotDone) -> ProblemError:
    """Why a change was not made."""
    match refused:
        case InvalidRule(error=error):
            return _invalid(error)
        case RuleUnknown():
            return no_rule()
        case RuleNameTaken(holder_id=holder_id):
            return ProblemError(
                problem_kinds.RULE_EXISTS,
                "Another rule has this name.",
                members={"rule": f"{RULES_PATH}/{holder_id}", "id": str(holder_id)},
            )
        case RuleVersionDiffers(version=version):
            return ProblemError(
                problem_kinds.PRECONDITION_FAILED,
                "The rule no longer has the version that the request is meant for.",
                members={"version": version},
            )
        case TooManyRules():
            return ProblemError(problem_kinds.TOO_MANY_RULES, f"There may be {MAX_RULES:,} rules at most.")
        case _:
            assert_never(refused)


def _invalid(error: ValidationError | tuple[RuleMistake, ...]) -> ProblemError:
    if isinstance(error, ValidationError):
        return validation_problem(error)
    return invalid_input([{"detail": each.detail, "pointer": each.pointer} for each in error[:MAX_ERRORS]])
