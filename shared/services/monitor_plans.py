"""Files of monitors against what there is: a plan is shown, and what is carried out is just what was shown."""

import asyncio
from collections.abc import Sequence

from uuid_utils.compat import uuid7

from shared.domain.monitor_changes import CreateMonitor, DeleteMonitor, MonitorChange, ReplaceMonitor
from shared.domain.monitor_plans import Action, Change, ExistingMonitor, MonitorPlan, comparable, plan_monitors
from shared.domain.monitors import MonitorSpec
from shared.domain.target_documents import WrongPlaceError
from shared.services.monitor_targets import written_spec
from shared.services.monitors import ChangesRefusedError, Monitors, OwnedMonitor
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
            NoSecretKeyError: a monitor that is there is sealed, and there is no key.
            UnreadableSecretError: a monitor that is there is sealed with another key.
        """
        names = [(spec.group, spec.name) for spec in wanted]
        owned = await self._monitors.list_owned(owner, names)
        # Ten thousand monitors take a second to compare, and others want to be served meanwhile.
        return await asyncio.to_thread(self._compare, owned, wanted, owner=owner, adopts=adopts)

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
        self, owned: Sequence[OwnedMonitor], wanted: Sequence[MonitorSpec], *, owner: str, adopts: bool
    ) -> MonitorPlan:
        there = {(each.spec.group, each.spec.name): each for each in owned}
        filled = [self._fill(index, spec, there.get((spec.group, spec.name))) for index, spec in enumerate(wanted)]
        existing = {key: _existing_of(each) for key, each in there.items()}
        return plan_monitors(existing, filled, owner=owner, adopts=adopts)

    def _fill(self, index: int, spec: MonitorSpec, there: OwnedMonitor | None) -> MonitorSpec:
        """The wanted monitor with what is kept in the place of what is masked."""
        if there is None or there.spec.target.kind != spec.target.kind:
            return spec
        try:
            return written_spec(spec, there.kept, self._vault)
        except WrongPlaceError as error:
            raise WantedMonitorError(index, error) from error


def _existing_of(owned: OwnedMonitor) -> ExistingMonitor:
    monitor = owned.kept.monitor
    return ExistingMonitor(monitor.monitor_id, monitor.version, comparable(owned.spec), monitor.owner)


def _step_of(change: Change, *, owner: str) -> MonitorChange:
    existing, spec = change.existing, change.spec
    if change.action is Action.DELETE and existing is not None:
        return DeleteMonitor(existing.monitor_id, frozenset({existing.version}))
    if change.action is Action.UPDATE and existing is not None and spec is not None:
        return ReplaceMonitor(existing.monitor_id, spec, owner, frozenset({existing.version}))
    if change.action is Action.CREATE and spec is not None:
        return CreateMonitor(uuid7(), spec, owner)
    raise AssertionError("a plan without conflicts creates, updates and deletes")
