"""How live events travel: many in one entry of a stream, as MessagePack, so that a second of them costs little."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never
from uuid import UUID

import msgspec
import structlog

from shared.domain.alert.alerts import AlertState
from shared.domain.channel.channel_health import ChannelState
from shared.domain.job.jobs import JobKind, JobState
from shared.domain.job.leases import JobChange
from shared.domain.live import AlertTold, ChannelTold, LiveEvent, SampleTold, StateTold
from shared.domain.monitor.standing import MonitorState
from shared.domain.target.outcome import Outcome

STREAM = "tocsin:live"
FIELD = b"b"
"""The one field of an entry."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Batch:
    """What one entry tells; `lost` events before it could not be told."""

    events: tuple[LiveEvent, ...]
    lost: int = 0


# Written as arrays: what a later version appends is passed over, and what an earlier one lacks has its default.


class _Sample(msgspec.Struct, array_like=True, tag="sample"):
    monitor_id: UUID
    at: datetime
    outcome: Outcome
    duration_ms: float | None = None
    code: str | None = None


class _State(msgspec.Struct, array_like=True, tag="state"):
    monitor_id: UUID
    at: datetime
    state: MonitorState
    code: str | None = None
    message: str | None = None


class _Alert(msgspec.Struct, array_like=True, tag="alert"):
    alert_id: UUID
    rule_id: UUID | None
    monitor_id: UUID | None
    state: AlertState
    at: datetime
    name: str
    severity: str
    reason: str


class _Channel(msgspec.Struct, array_like=True, tag="channel"):
    channel_id: UUID
    state: ChannelState
    at: datetime
    name: str
    reason: str | None = None


class _Job(msgspec.Struct, array_like=True, tag="job"):
    job_id: UUID
    version: int
    state: JobState
    kind: JobKind | None = None


class _Entry(msgspec.Struct, array_like=True):
    lost: int
    events: list[msgspec.Raw]


_ENCODER = msgspec.msgpack.Encoder(uuid_format="bytes")
_ENTRY = msgspec.msgpack.Decoder(_Entry)
_EVENT = msgspec.msgpack.Decoder(_Sample | _State | _Alert | _Channel | _Job)


def encode_batch(events: Iterable[LiveEvent], *, lost: int = 0) -> bytes:
    """Write the events of one entry."""
    return _ENCODER.encode((lost, [_written(event) for event in events]))


def decode_batch(data: bytes) -> Batch:
    """Read an entry; an event that is not understood, for example of a later version, is passed over.

    Raises:
        ValueError: it is no entry of ours.
    """
    entry = _ENTRY.decode(data)
    events: list[LiveEvent] = []
    for raw in entry.events:
        try:
            events.append(_read(_EVENT.decode(raw)))
        except ValueError as error:
            _log.warning("live_event_not_understood", error=repr(error))
    return Batch(tuple(events), lost=entry.lost)


def _written(event: LiveEvent) -> msgspec.Struct:
    match event:
        case SampleTold():
            return _Sample(event.monitor_id, event.at, event.outcome, event.duration_ms, event.code)
        case StateTold():
            return _State(event.monitor_id, event.at, event.state, event.code, event.message)
        case AlertTold():
            return _Alert(
                event.alert_id, event.rule_id, event.monitor_id, event.state, event.at, event.name, event.severity,
                event.reason,
            )  # fmt: skip
        case ChannelTold():
            return _Channel(event.channel_id, event.state, event.at, event.name, event.reason)
        case JobChange():
            return _Job(event.job_id, event.version, event.state, event.kind)
        case _:
            assert_never(event)


def _read(written: _Sample | _State | _Alert | _Channel | _Job) -> LiveEvent:
    match written:
        case _Sample(monitor_id, at, outcome, duration_ms, code):
            return SampleTold(monitor_id, at.astimezone(UTC), outcome, duration_ms, code)
        case _State(monitor_id, at, state, code, message):
            return StateTold(monitor_id, at.astimezone(UTC), state, code, message)
        case _Alert(alert_id, rule_id, monitor_id, state, at, name, severity, reason):
            return AlertTold(alert_id, rule_id, monitor_id, state, at.astimezone(UTC), name, severity, reason)
        case _Channel(channel_id, state, at, name, reason):
            return ChannelTold(channel_id, state, at.astimezone(UTC), name, reason)
        case _Job(job_id, version, state, kind):
            return JobChange(job_id, version, state, kind)
        case _:
            assert_never(written)
