"""One POST of JSON to a service, what it answered, and whether trying again can help."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.clock import Clock, utc_now
from shared.domain.job.jobs import Failure
from shared.domain.secret.secrets import scrub
from shared.notifiers.webhook import KEPT_ANSWER_BYTES, TIMEOUT_SECONDS, classify_answer
from shared.transport.curl import CurlClient
from shared.transport.http_exchange import HttpAnswer, HttpFault, HttpRequest

_PERMANENT_FAULTS = frozenset({"blocked_by_policy", "invalid_url", "invalid_header"})


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of one POST: `detail` for the attempt, `said` the answer's JSON object, empty when it is none."""

    detail: Mapping[str, Any]
    failure: Failure | None
    said: Mapping[str, Any] = field(default_factory=dict)


class Poster:
    """Posts with a client of the process, under the egress policy that the client carries."""

    def __init__(self, client: CurlClient, clock: Clock = utc_now) -> None:
        self._client = client
        self._clock = clock

    async def post(
        self, url: str, body: object, *, headers: Mapping[str, str] | None = None, secrets: Sequence[str] = ()
    ) -> Posted:
        """Post once; redirects are not followed. `secrets` are left out of what is kept of the answer."""
        result = await self._client.fetch(
            HttpRequest(
                url=url,
                method="POST",
                headers={"Content-Type": "application/json; charset=utf-8", **(headers or {})},
                body=orjson.dumps(body, option=orjson.OPT_UTC_Z),
                timeout_seconds=TIMEOUT_SECONDS,
                follow_redirects=False,
            )
        )
        detail: dict[str, Any] = {"status": result.trace.status, "duration_ms": result.trace.duration_ms}
        if result.trace.remote_address is not None:
            detail["remote_address"] = result.trace.remote_address
        if isinstance(result, HttpFault):
            is_permanent = result.code in _PERMANENT_FAULTS
            return Posted(detail, Failure(result.code, result.message, is_permanent=is_permanent))
        detail["answer"] = _excerpt(result, secrets)
        return Posted(detail, classify_answer(result, now=self._clock()), _object_in(result.body))


def _excerpt(answer: HttpAnswer, secrets: Sequence[str]) -> str:
    """The first kilobyte; it is cut after the secrets are out, so that none is cut in half. NUL cannot be stored."""
    text = answer.body[: 2 * KEPT_ANSWER_BYTES].decode("utf-8", "replace").replace("\x00", "\ufffd")
    return scrub(text, secrets)[:KEPT_ANSWER_BYTES]


def _object_in(body: bytes) -> Mapping[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
