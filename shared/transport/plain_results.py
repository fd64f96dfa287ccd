"""What one plain exchange measured and found, told as libcurl's transfers are."""

from typing import NamedTuple

import pycurl

from shared.domain.target.observation import Blame, Fault
from shared.transport.curl_faults import Failure, classify
from shared.transport.curl_results import stage_of
from shared.transport.dialling import dial_fault
from shared.transport.http_exchange import HttpAnswer
from shared.transport.plain_exchange import PlainExchange
from shared.transport.progress import End, Phases, Progress
from shared.transport.urls import Location

STOPPED = Fault("internal", "this process is being stopped", Blame.OURS)


class PlainAsk(NamedTuple):
    """What is asked of whom: one checked address, the bytes of the question, and what is read of its answer."""

    location: Location
    address: str
    question: bytes
    is_head: bool
    read_limit: int


def conclude_plain(
    exchange: PlainExchange, ask: PlainAsk, progress: Progress, *, timeout_ms: float
) -> HttpAnswer | Fault:
    """Enter into the account what the exchange took, and read its answer or why there is none."""
    reader, place = exchange.reader, ask.location.shown
    head, phases = reader.head, _phases_of(exchange)
    progress.add_hop(phases, End(ask.address if exchange.connected_at else None, None, head and head.status))
    if head is not None and reader.is_done:
        return HttpAnswer(
            status=head.status,
            headers=head.headers,
            body=reader.body,
            is_truncated=reader.is_truncated,
            http_version=head.http_version,
            trace=progress.trace(),
        )
    if exchange.errno:
        return dial_fault(exchange.errno, place)
    is_answered = phases.first_byte_ms is not None
    broken = exchange.broken
    failure = Failure(
        code=pycurl.E_OPERATION_TIMEDOUT if broken is None else broken.code,
        said="" if broken is None else broken.said,
        errno=0,
        late_ms=phases.total_ms - timeout_ms,
        stage=stage_of(phases, is_secure=False, is_answered=is_answered),
    )
    return classify(failure, place=place)


def _phases_of(exchange: PlainExchange) -> Phases:
    started, connected, answered, ended = (
        exchange.started_at, exchange.connected_at, exchange.answered_at, exchange.ended_at,
    )  # fmt: skip
    return Phases(
        total_ms=round((ended - started) * 1000, 3),
        connect_ms=round((connected - started) * 1000, 3) if connected else None,
        tls_ms=None,
        first_byte_ms=round((answered - connected) * 1000, 3) if answered else None,
        transfer_ms=round((ended - answered) * 1000, 3) if exchange.reader.is_done else None,
    )
