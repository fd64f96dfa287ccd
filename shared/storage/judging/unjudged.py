"""Judging that must not fail: a mistake of ours in one rule costs neither the samples nor what others make of them."""

from collections.abc import Callable
from uuid import UUID

import structlog

from shared.domain.judging.judgements import JudgedPair
from shared.telemetry.errors import report_error

_log = structlog.get_logger()


def judged_or_left(judge: Callable[[], JudgedPair], *, rule_id: UUID, monitor_id: UUID) -> JudgedPair:
    """What judging comes to; where it fails everything stays as it is, and that is told to whoever runs this."""
    try:
        return judge()
    except Exception as error:  # noqa: BLE001 - what is judged beside it goes on
        _log.exception("not_judged", rule_id=str(rule_id), monitor_id=str(monitor_id))
        report_error(error, where="judge", rule_id=str(rule_id))
        return JudgedPair(None)
