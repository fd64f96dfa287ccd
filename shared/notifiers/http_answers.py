"""What a receiver's answer over HTTP means for a delivery, and what of it is kept."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from shared.domain.job.jobs import Failure
from shared.domain.secret.secrets import scrub
from shared.notifiers.retry_after import parse_retry_after
from shared.transport.http_exchange import HttpAnswer, HttpFault

KEPT_ANSWER_BYTES = 1024

_PERMANENT_FAULTS = frozenset({"blocked_by_policy", "invalid_url", "invalid_header"})
_GONE = 410
_THROTTLED = 429
_TRY_AGAIN = frozenset({408, 425, _THROTTLED})


def detail_of(result: HttpAnswer | HttpFault, secrets: Sequence[str]) -> dict[str, Any]:
    """What is kept with the attempt, without the secrets, which an answer may repeat.

    It is cut after they are out, so that none is cut in half. NUL is replaced, which PostgreSQL's text cannot hold.
    """
    detail: dict[str, Any] = {"status": result.trace.status, "duration_ms": result.trace.duration_ms}
    if isinstance(result, HttpAnswer):
        answer = result.body[: 2 * KEPT_ANSWER_BYTES].decode("utf-8", "replace").replace("\x00", "\ufffd")
        detail["answer"] = scrub(answer, secrets)[:KEPT_ANSWER_BYTES]
    if result.trace.remote_address is not None:
        detail["remote_address"] = result.trace.remote_address
    return detail


def classify_result(result: HttpAnswer | HttpFault, *, now: datetime) -> Failure | None:
    """None when the receiver took it, else why not and whether trying again can help."""
    if isinstance(result, HttpFault):
        return Failure(result.code, result.message, is_permanent=result.code in _PERMANENT_FAULTS)
    return _classify_answer(result, now)


def _classify_answer(answer: HttpAnswer, now: datetime) -> Failure | None:
    status = answer.status
    if 200 <= status < 300:  # noqa: PLR2004 - the classes of status codes.
        return None
    retry_after = parse_retry_after(answer.headers.get("retry-after"), now=now)
    if status == _GONE:
        return Failure("gone", "the receiver answered 410: it wants no more of these", is_permanent=True)
    if status == _THROTTLED:
        return Failure("throttled", "the receiver answered 429: too many", retry_after=retry_after)
    if 300 <= status < 400:  # noqa: PLR2004
        said = f"the receiver answered {status}, a redirect, which is not followed; set the channel's final address"
        return Failure("redirected", said, retry_after=retry_after)
    if 400 <= status < 500 and status not in _TRY_AGAIN:  # noqa: PLR2004
        return Failure("rejected", f"the receiver answered {status}", is_permanent=True)
    return Failure("unavailable", f"the receiver answered {status}", retry_after=retry_after)
