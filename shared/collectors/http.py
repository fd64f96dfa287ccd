"""The `http` collector: one request, its phases, its certificate, and what conditions may ask of the answer."""

from collections.abc import Mapping
from datetime import datetime
from email.message import Message
from typing import Any

from shared.clock import Clock, utc_now
from shared.domain.target.observation import Fault, Observation
from shared.domain.target.targets import HttpTarget
from shared.telemetry import with_traceparent
from shared.transport.curl import CurlClient
from shared.transport.http_exchange import HttpAnswer, HttpFault, HttpRequest, Trace

_SECONDS_PER_DAY = 86_400


class HttpCollector:
    """Collects HTTP targets with a client of the process, which it closes.

    Values: `CONNECTED`, `IP`, `RESPONSE_TIME` (ms, all hops), `CERTIFICATE_EXPIRATION` (seconds left, negative when
    over; also of a certificate that was refused) and, once there was an answer, `STATUS`, `HEADER` (names in lower
    case) and `BODY` (text, at most 1 MB after inflating; `BODY_TRUNCATED` says that it was cut).
    """

    def __init__(self, client: CurlClient, clock: Clock = utc_now) -> None:
        self._client = client
        self._clock = clock

    async def collect(self, target: HttpTarget) -> Observation:
        """Ask once; what goes wrong is a fault in the observation."""
        result = await self._client.fetch(_request(target))
        now = self._clock()
        values, metrics = _values(result.trace, now), _metrics(result.trace, now)
        if isinstance(result, HttpFault):
            fault = Fault(result.code, result.message, result.blame)
            return Observation(result.trace.duration_ms, values, metrics, fault)
        values |= {"STATUS": result.status, "HEADER": result.headers, "BODY": read_text(result)}
        if result.is_truncated:
            values["BODY_TRUNCATED"] = True
        metrics["size_bytes"] = float(len(result.body))
        return Observation(result.trace.duration_ms, values, metrics)

    async def close(self) -> None:
        """Close the client."""
        await self._client.close()


def read_text(answer: HttpAnswer) -> str:
    """The body as text, in the charset that its `Content-Type` names, else UTF-8; what cannot be read is replaced."""
    content_type = answer.headers.get("content-type", "")
    if "charset" not in content_type.lower():
        return answer.body.decode("utf-8", "replace")
    header = Message()
    header["Content-Type"] = content_type
    try:
        return answer.body.decode(header.get_content_charset() or "utf-8", "replace")
    except (LookupError, ValueError):
        return answer.body.decode("utf-8", "replace")


def _request(target: HttpTarget) -> HttpRequest:
    return HttpRequest(
        url=target.url,
        method=target.method,
        headers=with_traceparent({name: value.get_secret_value() for name, value in target.headers.items()}),
        body=None if target.body is None else target.body.encode(),
        timeout_seconds=target.timeout.total_seconds(),
        follow_redirects=target.follow_redirects,
        verify_tls=target.verify_tls,
        http2=target.http2,
    )


def _values(trace: Trace, now: datetime) -> dict[str, Any]:
    values: dict[str, Any] = {
        "CONNECTED": trace.connect_ms is not None,
        "RESPONSE_TIME": trace.duration_ms,
    }
    if trace.remote_address is not None:
        values["IP"] = trace.remote_address
    if trace.certificate_expires_at is not None:
        values["CERTIFICATE_EXPIRATION"] = (trace.certificate_expires_at - now).total_seconds()
    if trace.status is not None:
        values["STATUS"] = trace.status
    return values


def _metrics(trace: Trace, now: datetime) -> dict[str, float]:
    """The numbers kept with the sample, under the names of `METRICS`; a phase not reached is left out."""
    found: Mapping[str, float | None] = {
        "status": trace.status,
        "dns_ms": trace.dns_ms,
        "connect_ms": trace.connect_ms,
        "tls_ms": trace.tls_ms,
        "first_byte_ms": trace.first_byte_ms,
        "transfer_ms": trace.transfer_ms,
        "redirects": trace.redirects,
    }
    metrics = {name: float(number) for name, number in found.items() if number is not None}
    if trace.certificate_expires_at is not None:
        seconds = (trace.certificate_expires_at - now).total_seconds()
        metrics["certificate_days"] = round(seconds / _SECONDS_PER_DAY, 4)
    return metrics
