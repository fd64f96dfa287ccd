"""One POST of JSON to a service, what it answered, and whether trying again can help."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.clock import Clock, utc_now
from shared.domain.job.jobs import Failure
from shared.notifiers.http_answers import classify_result, detail_of
from shared.notifiers.webhook import TIMEOUT_SECONDS
from shared.transport.curl import CurlClient
from shared.transport.http_exchange import HttpAnswer, HttpRequest


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
        said = _object_in(result.body) if isinstance(result, HttpAnswer) else {}
        return Posted(detail_of(result, secrets), classify_result(result, now=self._clock()), said)


def _object_in(body: bytes) -> Mapping[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
