"""Which alerts are told together, and when a group's next notice goes out; the words are those of Alertmanager."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import msgspec

from shared.domain.channel.channels import EACH_ALERT, ChannelOptions


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """Alerts that are told together on a channel; `key` is 32 bytes. The id follows from the other two."""

    group_id: UUID
    channel_id: UUID
    key: bytes
    labels: Mapping[str, str]


def group_of(channel_id: UUID, *, group_by: Sequence[str], labels: Mapping[str, str], fingerprint: bytes) -> AlertGroup:
    """The group of an alert on a channel; a label it does not have tells it from those that have it.

    With `...` it is alone with the earlier and later lives of the same alert.
    """
    if EACH_ALERT in group_by:
        key, shared = fingerprint, dict(labels)
    else:
        shared = {name: labels[name] for name in sorted(set(group_by)) if name in labels}
        key = msgspec.json.encode([sorted(set(group_by)), shared])
    digest = sha256(key).digest()
    group_id = UUID(bytes=sha256(channel_id.bytes + digest).digest()[:16], version=5)
    return AlertGroup(group_id, channel_id, digest, shared)


def next_flush(*, told_at: datetime | None, has_more: bool, options: ChannelOptions, now: datetime) -> datetime:
    """When a group's next notice is to be composed.

    After a quiet time it waits for others (`group_wait`), else until `group_interval` has passed since the last one.
    What did not fit into that one (`has_more`) waits for nothing.
    """
    if has_more:
        return now
    if told_at is None or told_at + options.group_interval <= now:
        return now + options.group_wait
    return told_at + options.group_interval
