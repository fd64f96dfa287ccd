"""Which live events a watcher wants; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from shared.domain.job.leases import JobChange
from shared.domain.live import AlertTold, ChannelTold, LiveEvent, SampleTold, StateTold


class LiveType(StrEnum):
    """What an event tells of."""

    SAMPLE = "sample"
    STATE = "state"
    ALERT = "alert"
    CHANNEL = "channel"
    JOB = "job"


@dataclass(frozen=True, slots=True)
class MonitorFacts:
    """What of a monitor can be filtered by."""

    group: str
    kind: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LiveFilter:
    """Lets through what has all that is asked for; of several ids, kinds, states or types any will do.

    `group` and `labels` are those of monitors, `kinds` those of their targets and of jobs, `states` those that
    monitors, alerts, channels and jobs changed into. An alert is found by its monitor, or by its own id when it came
    from elsewhere. What an event does not have, it cannot be asked for: a sample has no state, a job no group.
    """

    types: frozenset[LiveType] = frozenset(LiveType)
    ids: frozenset[UUID] = frozenset()
    kinds: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    group: str | None = None
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def needs_facts(self) -> bool:
        """Whether more of a monitor has to be known than its id."""
        return bool(self.labels or self.kinds) or self.group is not None

    def lets_through(self, event: LiveEvent, facts: MonitorFacts | None) -> bool:
        """Whether the event is wanted; `facts` are those of its monitor, None when nothing is known of it."""
        if type_of(event) not in self.types or (self.ids and subject_of(event) not in self.ids):
            return False
        match event:
            case SampleTold():
                return not self.states and self._lets_monitor_through(facts)
            case StateTold() | AlertTold():
                return self._has_state(event.state) and self._lets_monitor_through(facts)
            case ChannelTold():
                return self._has_state(event.state) and not self.needs_facts
            case JobChange():
                is_of_kind = not self.kinds or event.kind in self.kinds
                return is_of_kind and self._has_state(event.state) and self.group is None and not self.labels
            case _:
                assert_never(event)

    def _has_state(self, state: str) -> bool:
        return not self.states or state in self.states

    def _lets_monitor_through(self, facts: MonitorFacts | None) -> bool:
        if not self.needs_facts:
            return True
        if facts is None or (self.kinds and facts.kind not in self.kinds):
            return False
        is_of_group = self.group is None or facts.group == self.group
        return is_of_group and all(facts.labels.get(name) == value for name, value in self.labels)


def type_of(event: LiveEvent) -> LiveType:
    """What the event tells of."""
    match event:
        case SampleTold():
            return LiveType.SAMPLE
        case StateTold():
            return LiveType.STATE
        case AlertTold():
            return LiveType.ALERT
        case ChannelTold():
            return LiveType.CHANNEL
        case JobChange():
            return LiveType.JOB
        case _:
            assert_never(event)


def subject_of(event: LiveEvent) -> UUID:
    """The id of the monitor, job or channel that the event tells of, or of an alert that came from elsewhere."""
    match event:
        case JobChange():
            return event.job_id
        case AlertTold():
            return event.monitor_id or event.alert_id
        case ChannelTold():
            return event.channel_id
    return event.monitor_id
