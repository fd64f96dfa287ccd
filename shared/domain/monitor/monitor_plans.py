"""What it takes to make the monitors that there are into those that a file wants; pure."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import orjson

from shared.domain.durations import format_duration
from shared.domain.monitor.monitors import DEFAULT_INTERVAL, MonitorSpec
from shared.domain.monitor.target_documents import document_of
from shared.domain.secret.masking import MASK, mask_text, mask_url
from shared.domain.target.target_identity import mask_dsn

Key = tuple[str, str]
"""Group and name."""


class Action(StrEnum):
    """What becomes of one monitor."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    CONFLICT = "conflict"
    """There is one of this name that belongs to somebody else, or is of another kind; nothing is changed then."""


@dataclass(frozen=True, slots=True)
class ExistingMonitor:
    """A monitor as it is: `spec` are its fields as `comparable` has them, `owner` whose file made it.

    The target of one that is not wanted any more may be masked.
    """

    monitor_id: UUID
    version: int
    spec: Mapping[str, Any]
    owner: str | None


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field by its path, `target.timeout`, and its values; those of secrets are masked."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one monitor and, when it is there already, which one it is."""

    action: Action
    key: Key
    spec: MonitorSpec | None = None
    existing: ExistingMonitor | None = None
    fields: tuple[FieldChange, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class MonitorPlan:
    """All that changes, in the order of groups and names, and how many monitors stay as they are.

    `digest` tells this plan from another one: 32 hexadecimal digits over what is there and what is wanted.
    """

    changes: tuple[Change, ...]
    unchanged: int
    digest: str

    @property
    def conflicts(self) -> tuple[Change, ...]:
        """What keeps the plan from being carried out."""
        return tuple(change for change in self.changes if change.action is Action.CONFLICT)


def comparable(spec: MonitorSpec) -> dict[str, Any]:
    """A monitor's fields as JSON, secrets in clear, every default filled in; equal for equal monitors."""
    fields = spec.model_dump(mode="json", exclude={"target", "conditions", "degraded_conditions"})
    fields["interval"] = None if spec.cron else fields["interval"] or format_duration(DEFAULT_INTERVAL)
    fields["target"] = document_of(spec.target, is_whole=True)
    if "paused" not in spec.model_fields_set:
        # A file that says nothing of it leaves a monitor paused that somebody paused by hand.
        del fields["paused"]
    return fields


def plan_monitors(
    existing: Mapping[Key, ExistingMonitor],
    wanted: Sequence[MonitorSpec],
    *,
    owner: str,
    adopts: bool,
    sent: Sequence[MonitorSpec] | None = None,
) -> MonitorPlan:
    """Plan what makes `existing` into `wanted`.

    `sent` are the wanted ones as they were sent, where what is kept has been filled into `wanted` for what is masked.
    The digest is of these: whoever sends `***` must not learn by it what that stands for.

    `existing` are all monitors of the owner and those whose names are wanted. What the owner's file no longer names is
    deleted; what belongs to others, or was made by hand, is a conflict unless the plan `adopts`.
    """
    changes, unchanged = [], 0
    names = set()
    for spec in wanted:
        key = (spec.group, spec.name)
        names.add(key)
        change = _change_of(existing.get(key), spec, owner=owner, adopts=adopts)
        if change is None:
            unchanged += 1
        else:
            changes.append(change)
    changes += [
        Change(Action.DELETE, key, existing=monitor)
        for key, monitor in existing.items()
        if monitor.owner == owner and key not in names
    ]
    changes.sort(key=lambda change: change.key)
    return MonitorPlan(tuple(changes), unchanged, _digest_of(changes, unchanged, sent or wanted))


def _digest_of(changes: Sequence[Change], unchanged: int, sent: Sequence[MonitorSpec]) -> str:
    said = {(spec.group, spec.name): spec for spec in sent}
    told = [
        (
            each.action.value,
            each.key,
            each.existing and [str(each.existing.monitor_id), each.existing.version],
            [(f.field, f.before, f.after) for f in each.fields],
        )
        for each in changes
    ]
    wanted = [None if each.spec is None else comparable(said[each.key]) for each in changes]
    return hashlib.sha256(orjson.dumps([told, wanted, unchanged])).hexdigest()[:32]


def _change_of(monitor: ExistingMonitor | None, spec: MonitorSpec, *, owner: str, adopts: bool) -> Change | None:
    key = (spec.group, spec.name)
    if monitor is None:
        return Change(Action.CREATE, key, spec)
    if monitor.owner != owner and not adopts:
        whose = "was made by hand" if monitor.owner is None else f'belongs to "{monitor.owner}"'
        return Change(Action.CONFLICT, key, spec, monitor, reason=f"it {whose}; adopt it to take it over")
    if monitor.spec["target"]["kind"] != spec.target.kind:
        reason = f"it is of the kind {monitor.spec['target']['kind']}, which cannot be changed; delete it or rename one"
        return Change(Action.CONFLICT, key, spec, monitor, reason=reason)
    after = comparable(spec)
    fields = _differences({name: monitor.spec.get(name) for name in after}, after)
    if monitor.owner != owner:
        fields = (FieldChange("owner", monitor.owner, owner), *fields)
    return Change(Action.UPDATE, key, spec, monitor, fields) if fields else None


_MASKED: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {"target.url": mask_url, "target.dsn": mask_dsn, "target.body": mask_text}
)
_HEADERS = "target.headers."


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> tuple[FieldChange, ...]:
    found: list[FieldChange] = []
    for name in sorted(before.keys() | after.keys()):
        old, new, place = before.get(name), after.get(name), f"{path}{name}"
        if old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += _differences(old, new, f"{place}.")
        else:
            found.append(_masked(FieldChange(place, old, new)))
    return tuple(found)


def _masked(change: FieldChange) -> FieldChange:
    """The change as people are shown it; where only a secret differs, just that it does."""
    mask = mask_text if change.field.startswith(_HEADERS) else _MASKED.get(change.field)
    if mask is None:
        return change
    before, after = (None if value is None else mask(value) for value in (change.before, change.after))
    return FieldChange(change.field, MASK, MASK) if before == after else FieldChange(change.field, before, after)
