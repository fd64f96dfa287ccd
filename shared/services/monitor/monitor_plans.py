"""Files of monitors against what there is: a plan is shown, and what is carried out is just what was shown."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from uuid_utils.compat import uuid7

from shared.domain.monitor.monitor_changes import (
    CreateMonitor,
    DeleteMonitor,
    KeptMonitor,
    MonitorChange,
    ReplaceMonitor,
)
from shared.domain.monitor.monitor_plans import Action, Change, ExistingMonitor, Key, MonitorPlan, plan_monitors
from shared.domain.monitor.monitors import MonitoredTarget, MonitorSpec
from shared.domain.monitor.target_documents import WrongPlaceError, check_unmasked, document_of
from shared.services.monitor.monitor_targets import read_target, says_what_is_kept, spec_document, written_spec
from shared.services.monitor.monitors import ChangesRefusedError, Monitors
from shared.vault import Vault


class PlanConflictError(Exception):
    """The plan names monitors that are somebody else's, or of another kind; nothing is changed."""

    def __init__(self, plan: MonitorPlan) -> None:
        super().__init__("the plan is in conflict with what there is")
        self.plan = plan


class PlanOutdatedError(Exception):
    """What there is has changed since the plan was shown; nothing is changed."""


class WantedMonitorError(Exception):
    """A wanted monitor has something masked that stands for nothing; `index` says which one."""

    def __init__(self, index: int, error: WrongPlaceError) -> None:
        super().__init__(str(error))
        self.index = index
        self.error = error


class MonitorPlans:
    """Plans and applies whole sets of monitors."""

    def __init__(self, monitors: Monitors, vault: Vault) -> None:
        self._monitors = monitors
        self._vault = vault

    async def plan(self, wanted: Sequence[MonitorSpec], *, owner: str, adopts: bool) -> MonitorPlan:
        """What would change if the owner's monitors were the wanted ones.

        Raises:
            WantedMonitorError: something masked stands for nothing.
            NoSecretKeyError: a wanted monitor that is there is sealed, and there is no key.
            UnreadableSecretError: a wanted monitor that is there is sealed with another key.
        """
        names = [(spec.group, spec.name) for spec in wanted]
        there = await self._monitors.find_owned(owner, names)
        # Ten thousand monitors take a second to compare, and others want to be served meanwhile.
        return await asyncio.to_thread(self._compare, there, wanted, owner=owner, adopts=adopts)

    async def apply(
        self, wanted: Sequence[MonitorSpec], *, owner: str, adopts: bool, digest: str, by: str
    ) -> MonitorPlan:
        """Carry out the plan that has the digest, whole and in one transaction.

        Raises:
            PlanOutdatedError: it is another plan by now.
            PlanConflictError: it is in conflict with what there is.
            ChangesRefusedError: a change was refused that the plan could not know of, such as one too many.
        """
        plan = await self.plan(wanted, owner=owner, adopts=adopts)
        if plan.digest != digest:
            raise PlanOutdatedError
        if plan.conflicts:
            raise PlanConflictError(plan)
        try:
            await self._monitors.apply_changes([_step_of(change, owner=owner) for change in plan.changes], by=by)
        except ChangesRefusedError as error:
            replanned = await self.plan(wanted, owner=owner, adopts=adopts)
            if replanned.digest != digest:
                raise PlanOutdatedError from error
            raise
        return plan

    def _compare(
        self, there: Mapping[Key, KeptMonitor], wanted: Sequence[MonitorSpec], *, owner: str, adopts: bool
    ) -> MonitorPlan:
        existing = {key: _existing_of(kept, kept.target.shown) for key, kept in there.items()}
        filled = list(wanted)
        for index, spec in enumerate(wanted):
            key = (spec.group, spec.name)
            kept = there.get(key)
            if kept is None:
                _check_new(index, spec)
            elif kept.target.kind == spec.target.kind:
                filled[index], target = self._fill(index, spec, kept)
                existing[key] = _existing_of(kept, document_of(target, is_whole=True))
        return plan_monitors(existing, filled, owner=owner, adopts=adopts, sent=wanted)

    def _fill(self, index: int, spec: MonitorSpec, kept: KeptMonitor) -> tuple[MonitorSpec, MonitoredTarget]:
        """The wanted monitor with what is kept in the place of what is masked, and the target that is kept."""
        if says_what_is_kept(spec.target, kept.target, self._vault):
            return spec, spec.target
        try:
            return written_spec(spec, kept, self._vault), read_target(kept.target, self._vault)
        except WrongPlaceError as error:
            raise WantedMonitorError(index, error) from error


def _check_new(index: int, spec: MonitorSpec) -> None:
    try:
        check_unmasked(spec.target)
    except WrongPlaceError as error:
        raise WantedMonitorError(index, error) from error


def _existing_of(kept: KeptMonitor, target: Mapping[str, Any]) -> ExistingMonitor:
    monitor = kept.monitor
    fields = spec_document(kept) | {"target": target}
    return ExistingMonitor(monitor.monitor_id, monitor.version, fields, monitor.owner)


def _step_of(change: Change, *, owner: str) -> MonitorChange:
    existing, spec = change.existing, change.spec
    if change.action is Action.DELETE and existing is not None:
        return DeleteMonitor(existing.monitor_id, frozenset({existing.version}))
    if change.action is Action.UPDATE and existing is not None and spec is not None:
        return ReplaceMonitor(existing.monitor_id, spec, owner, frozenset({existing.version}))
    if change.action is Action.CREATE and spec is not None:
        return CreateMonitor(uuid7(), spec, owner)
    raise AssertionError("a plan without conflicts creates, updates and deletes")
