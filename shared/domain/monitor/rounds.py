"""A round: looks at many monitors that one job takes, so that the job's life costs little of each."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from shared.domain.monitor.slots import Visit

MAX_VISITS = 100
"""The most looks of one round."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class _Visit(msgspec.Struct, array_like=True):
    monitor_id: UUID
    version: int
    slot_ms: int
    confirmation: int = 0
    is_manual: bool = False


class _RoundSpec(msgspec.Struct):
    visits: list[_Visit]


def encode_round(visits: Sequence[Visit]) -> str:
    """The spec of a round's job, JSON: ids and moments, nothing of the targets and none of their secrets."""
    spec = _RoundSpec(
        [
            _Visit(v.monitor_id, v.version, (v.slot - _EPOCH) // _MILLISECOND, v.confirmation, v.is_manual)
            for v in visits
        ]
    )
    return msgspec.json.encode(spec).decode()


def decode_round(spec: str) -> list[Visit]:
    """The looks of a round.

    Raises:
        msgspec.DecodeError: this version cannot read the spec.
    """
    decoded = msgspec.json.decode(spec, type=_RoundSpec)
    return [
        Visit(v.monitor_id, v.version, _EPOCH + v.slot_ms * _MILLISECOND, v.confirmation, v.is_manual)
        for v in decoded.visits
    ]
