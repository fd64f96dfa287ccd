"""What changes to monitors come to: pure but for the vault, which only computes."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import assert_never
from uuid import UUID

from pydantic import ValidationError

from shared.domain.change_results import (
    CannotSeal,
    Changed,
    Deleted,
    Made,
    NameTaken,
    TooMany,
    Unchanged,
    UnknownId,
    VersionDiffers,
)
from shared.domain.heartbeat.heartbeats import HeartbeatTarget
from shared.domain.monitor.monitor_changes import (
    CreateMonitor,
    DeleteMonitor,
    InvalidMonitor,
    KeptMonitor,
    MonitorChange,
    MonitorDraft,
    MonitorResult,
    NamedTwice,
    PatchMonitor,
    PauseMonitor,
    PutMonitor,
    ReplaceMonitor,
)
from shared.domain.monitor.monitors import DEFAULT_INTERVAL, MonitorSpec
from shared.domain.monitor.schedules import Schedule
from shared.domain.monitor.target_documents import WrongPlaceError, check_unmasked
from shared.services.monitor.monitor_pausing import PauseOrder
from shared.services.monitor.monitor_targets import patched_spec, prepare_target, read_target, written_spec
from shared.storage.monitor.monitor_store import Name
from shared.vault import NoSecretKeyError, UnreadableSecretError, Vault

_MILLISECOND = timedelta(milliseconds=1)


class Decisions:
    """What becomes of monitors, gathered change by change.

    `held` are the monitors that the changes name, locked, and `holders` those that have names which new ones want.
    `room` is how many may still be made. The results are in the order of the changes.
    """

    def __init__(
        self, held: Mapping[UUID, KeptMonitor], holders: Mapping[Name, UUID], vault: Vault, *, room: int
    ) -> None:
        self.held = held
        self._holders = holders
        self._vault = vault
        self._room = room
        self._named: set[UUID | Name] = set()
        self.results: list[MonitorResult] = []
        self.inserts: list[MonitorDraft] = []
        self.updates: list[MonitorDraft] = []
        self.deletes: list[UUID] = []
        self.schedules: dict[UUID, Schedule] = {}
        self.pausing: dict[UUID, PauseOrder] = {}
        self.renames: dict[Name, int] = {}
        """New names of monitors that there are, and which result tells of each."""

    @property
    def renamed(self) -> list[UUID]:
        """The monitors that get another name."""
        results = [self.results[place] for place in self.renames.values()]
        return [result.item_id for result in results if isinstance(result, Changed)]

    @property
    def unsettled(self) -> set[UUID]:
        """The monitors that nobody may look at, hear of or judge meanwhile: their states are to be locked."""
        return {*self.pausing, *self.deletes, *self.schedules, *(each.monitor_id for each in self.updates)}

    @property
    def touched(self) -> list[UUID]:
        """All monitors of which something changes, those that are made and deleted too, in the order of their ids."""
        return sorted({*self.unsettled, *(each.monitor_id for each in self.inserts)})

    def decide(self, change: MonitorChange) -> None:
        """Decide what a change comes to."""
        try:
            self.results.append(self._decide(change))
        except (ValidationError, WrongPlaceError) as error:
            self.results.append(InvalidMonitor(error))
        except (NoSecretKeyError, UnreadableSecretError) as error:
            self.results.append(CannotSeal(str(error)))

    def refuse_taken(self, holders: Mapping[Name, UUID]) -> None:
        """Take back what would give a monitor the name that another one has."""
        for name, holder_id in holders.items():
            place = self.renames[name]
            changed = self.results[place]
            if isinstance(changed, Changed) and changed.item_id != holder_id and holder_id not in self.deletes:
                self.results[place] = NameTaken(holder_id)
                self.updates = [draft for draft in self.updates if draft.monitor_id != changed.item_id]
                self.schedules.pop(changed.item_id, None)
                self.pausing.pop(changed.item_id, None)

    def _decide(self, change: MonitorChange) -> MonitorResult:
        match change:
            case CreateMonitor():
                return self._create(change.monitor_id, change.spec, change.owner)
            case PutMonitor():
                return self._put(change)
            case PatchMonitor() | ReplaceMonitor() | PauseMonitor() | DeleteMonitor():
                kept = self.held.get(change.monitor_id)
                return UnknownId() if kept is None else self._decide_of(kept, change)
            case _:
                assert_never(change)

    def _decide_of(
        self, kept: KeptMonitor, change: PatchMonitor | ReplaceMonitor | PauseMonitor | DeleteMonitor
    ) -> MonitorResult:
        monitor = kept.monitor
        if monitor.monitor_id in self._named:
            return NamedTwice()
        if not isinstance(change, PauseMonitor) and not _is_of(monitor.version, change.versions):
            return VersionDiffers(monitor.version)
        match change:
            case PatchMonitor():
                spec = patched_spec(kept, dict(change.patch), self._vault)
                return self._write(kept, spec, owner=monitor.owner)
            case ReplaceMonitor():
                return self._write(kept, written_spec(change.spec, kept, self._vault), owner=change.owner)
            case PauseMonitor():
                return self._pause(kept, is_paused=change.is_paused)
            case DeleteMonitor():
                self._named.add(monitor.monitor_id)
                self.deletes.append(monitor.monitor_id)
                return Deleted(monitor.monitor_id)
            case _:
                assert_never(change)

    def _create(self, monitor_id: UUID, spec: MonitorSpec, owner: str | None = None) -> MonitorResult:
        name = (spec.group, spec.name)
        if name in self._named:
            return NamedTwice()
        holder_id = self._holders.get(name)
        if holder_id is not None and holder_id not in self.deletes:
            return NameTaken(holder_id)
        if len(self.inserts) >= self._room:
            return TooMany()
        check_unmasked(spec.target)
        self.inserts.append(MonitorDraft(monitor_id, spec, prepare_target(spec.target, self._vault), owner))
        self._named.add(name)
        return Made(monitor_id)

    def _put(self, change: PutMonitor) -> MonitorResult:
        holder_id = self._holders.get((change.spec.group, change.spec.name))
        if holder_id is None or holder_id in self.deletes:
            return self._create(change.monitor_id, change.spec)
        kept = self.held.get(holder_id)
        if kept is None:
            return self._create(change.monitor_id, change.spec)
        if holder_id in self._named:
            return NamedTwice()
        return self._write(kept, written_spec(change.spec, kept, self._vault), owner=kept.monitor.owner)

    def _write(self, kept: KeptMonitor, spec: MonitorSpec, *, owner: str | None) -> MonitorResult:
        """Make the monitor what the spec says; one that says nothing of `paused` leaves it as it is."""
        monitor = kept.monitor
        is_paused = monitor.paused_at is not None
        is_same = monitor.owner == owner and self._is_same(kept, spec)
        is_to_pause = spec.paused if "paused" in spec.model_fields_set else is_paused
        self._named.add(monitor.monitor_id)
        if is_same and is_to_pause == is_paused:
            return Unchanged(monitor.monitor_id)
        name = (spec.group, spec.name)
        is_renamed = name != (monitor.group, monitor.name)
        if is_renamed and name in self._named:
            return NamedTwice()
        schedule = spec.schedule_of(monitor.monitor_id)
        is_looked_at = not isinstance(spec.target, HeartbeatTarget)
        if not is_same:
            target = prepare_target(spec.target, self._vault)
            self.updates.append(MonitorDraft(monitor.monitor_id, spec, target, owner))
            if is_renamed:
                self._named.add(name)
                self.renames[name] = len(self.results)
        if is_to_pause != is_paused:
            self.pausing[monitor.monitor_id] = PauseOrder(monitor, schedule if is_looked_at else None, is_to_pause)
        elif is_looked_at and not is_paused and _when(spec) != _when_kept(kept):
            self.schedules[monitor.monitor_id] = schedule
        return Changed(monitor.monitor_id)

    def _pause(self, kept: KeptMonitor, *, is_paused: bool) -> MonitorResult:
        monitor = kept.monitor
        self._named.add(monitor.monitor_id)
        if is_paused == (monitor.paused_at is not None):
            return Unchanged(monitor.monitor_id)
        schedule = None if monitor.kind == "heartbeat" else monitor.schedule
        self.pausing[monitor.monitor_id] = PauseOrder(monitor, schedule, is_paused)
        return Changed(monitor.monitor_id)

    def _is_same(self, kept: KeptMonitor, spec: MonitorSpec) -> bool:
        monitor = kept.monitor
        return (
            (monitor.group, monitor.name, monitor.description) == (spec.group, spec.name, spec.description)
            and _when(spec) == _when_kept(kept)
            and monitor.confirmations == spec.confirmations
            and monitor.confirm_interval == spec.confirm_interval // _MILLISECOND * _MILLISECOND
            and monitor.labels == spec.labels
            and read_target(kept.target, self._vault) == spec.target
        )


def _is_of(version: int, versions: AbstractSet[int] | None) -> bool:
    return versions is None or version in versions


def _when(spec: MonitorSpec) -> tuple[timedelta | None, str | None, str]:
    interval = None if spec.cron is not None else (spec.interval or DEFAULT_INTERVAL) // _MILLISECOND * _MILLISECOND
    return interval, spec.cron, spec.timezone


def _when_kept(kept: KeptMonitor) -> tuple[timedelta | None, str | None, str]:
    schedule = kept.monitor.schedule
    return schedule.interval, schedule.cron, schedule.timezone
