"""Events as they are told to clients: written once each, whoever gets them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import assert_never
from uuid import UUID

import orjson
import structlog

from shared.domain.job.leases import JobChange
from shared.domain.live import AlertTold, ChannelTold, LiveEvent, SampleTold, StateTold
from shared.domain.live_filters import subject_of, type_of
from shared.live_events.reader import Entry, EntryId
from shared.live_events.wire import decode_batch

RESET, READY = "reset", "ready"
RESET_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "too_old": "What was told since your last event is no longer kept.",
        "unknown": "There is no event of this id; it may be of a Redis that was wiped.",
        "redis_lost": "Redis lost what it kept, or was another one for a while.",
        "not_told": "Some events could not be told, because Redis was away or too slow.",
    }
)
"""Why events are missing."""

WHOLE_ENTRY = 10**6
"""A number that no event has: after all of an entry."""

_log = structlog.get_logger()
_ID = re.compile(r"(\d{1,15})-(\d{1,15})(?:-(\d{1,6}))?")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in the stream: after the event of this number in an entry, or after the whole entry."""

    entry_id: EntryId
    number: int = WHOLE_ENTRY

    def __str__(self) -> str:
        return str(self.entry_id) if self.number == WHOLE_ENTRY else f"{self.entry_id}-{self.number}"


def parse_place(written: str) -> Place | None:
    """The place that an event's id names; None when no event has such an id."""
    found = _ID.fullmatch(written)
    if found is None:
        return None
    entry_id = EntryId(int(found[1]), int(found[2]))
    return Place(entry_id) if found[3] is None else Place(entry_id, int(found[3]))


class Told:
    """One event with its id, its name and its data; the forms it is sent in are made when they are first needed.

    `event` is None for what is told of the stream itself; `reason` is that of a reset.
    """

    def __init__(
        self, place: Place, name: str, data: bytes, *, event: LiveEvent | None = None, reason: str = ""
    ) -> None:
        self.event = event
        self.reason = reason
        self.subject: UUID | None = None if event is None else subject_of(event)
        self.place = place
        self._name = name
        self._data = data

    @property
    def is_of_monitor(self) -> bool:
        """Whether it tells of a monitor."""
        if isinstance(self.event, AlertTold):
            return self.event.monitor_id is not None
        return isinstance(self.event, SampleTold | StateTold)

    @cached_property
    def sse(self) -> bytes:
        """The event in a stream of server-sent events (HTML Living Standard, 9.2)."""
        return b"event: %b\nid: %b\ndata: %b\n\n" % (self._name.encode(), str(self.place).encode(), self._data)

    @cached_property
    def json(self) -> bytes:
        """The event as members of a JSON object that is still open, for others to be put before them."""
        return b'"type":"%b","id":"%b","data":%b' % (self._name.encode(), str(self.place).encode(), self._data)


class Bundle:
    """Events that are sent together; `size` is in bytes, as server-sent events."""

    def __init__(self, events: Sequence[Told]) -> None:
        self.events = events
        self.size = sum(len(told.sse) for told in events)

    @cached_property
    def sse(self) -> bytes:
        """All of them as server-sent events."""
        return b"".join([told.sse for told in self.events])


@lru_cache(maxsize=128)
def tell(entry: Entry) -> tuple[Told, ...]:
    """What an entry tells, as clients get it; the latest entries are kept, for those who come back together."""
    try:
        batch = decode_batch(entry.body)
    except ValueError as error:
        _log.warning("live_entry_not_understood", error=repr(error))
        return ()
    before = () if not batch.lost else (reset_of(Place(entry.entry_id, 0), "not_told", since=None),)
    return (*before, *(_told_of(Place(entry.entry_id, number), event) for number, event in enumerate(batch.events, 1)))


def _told_of(place: Place, event: LiveEvent) -> Told:
    return Told(place, type_of(event).value, orjson.dumps(_data_of(event), option=orjson.OPT_UTC_Z), event=event)


def ready_of(place: Place, *, is_resumed: bool) -> Told:
    """What is told first: from where on, and whether all since the client's last event follows."""
    return Told(place, READY, orjson.dumps({"resumed": is_resumed}))


def reset_of(place: Place, reason: str, *, since: Place | None) -> Told:
    """Events are missing, those after `since` as far as it is known: whoever keeps a picture has to read it again."""
    moment = None if since is None else _moment_of(since.entry_id)
    data = {"reason": reason, "detail": RESET_REASONS[reason], "since": moment}
    return Told(place, RESET, orjson.dumps(data, option=orjson.OPT_UTC_Z), reason=reason)


def _moment_of(entry_id: EntryId) -> datetime | None:
    try:
        return datetime.fromtimestamp(entry_id.milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _data_of(event: LiveEvent) -> Mapping[str, object]:
    match event:
        case SampleTold():
            return {
                "monitor_id": str(event.monitor_id),
                "at": event.at,
                "outcome": event.outcome.value,
                "duration_ms": event.duration_ms,
                "code": event.code,
            }
        case StateTold():
            return {
                "monitor_id": str(event.monitor_id),
                "state": event.state.value,
                "since": event.at,
                "code": event.code,
                "message": event.message,
            }
        case AlertTold():
            return {
                "id": str(event.alert_id),
                "name": event.name,
                "severity": event.severity,
                "state": event.state.value,
                "since": event.at,
                "reason": event.reason,
                "rule_id": None if event.rule_id is None else str(event.rule_id),
                "monitor_id": None if event.monitor_id is None else str(event.monitor_id),
            }
        case ChannelTold():
            return {
                "id": str(event.channel_id),
                "name": event.name,
                "state": event.state.value,
                "since": event.at,
                "reason": event.reason,
            }
        case JobChange():
            return {
                "id": str(event.job_id),
                "kind": None if event.kind is None else event.kind.value,
                "state": event.state.value,
                "done": event.state.is_terminal,
                "version": event.version,
            }
        case _:
            assert_never(event)
