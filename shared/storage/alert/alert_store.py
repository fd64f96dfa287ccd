"""Writes what becomes of alerts, with their history and who is to be told, in the transaction that judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from shared.domain.alert.alert_changes import AlertChange
from shared.domain.alert.alert_folding import AlertStanding, AlertStep, FoldedAlerts, fold_changes
from shared.domain.alert.alerts import AlertState
from shared.domain.job.jobs import Ring
from shared.domain.live import AlertTold, LiveEvent
from shared.storage.alert.alert_event_store import AlertEvent, AlertEventStore
from shared.storage.alert.alert_writing import insert_alerts, update_alerts
from shared.storage.database import UnitOfWork
from shared.storage.notice.telling_store import TellingStore
from shared.storage.tables.alerts import UNRESOLVED

MAX_TRIES = 5
"""How often an alert is tried that another transaction opens when it is inserted, and ends when it is looked for."""


class UnsettledAlertError(Exception):
    """An alert was opened and ended by others faster than it could be found; nothing is to be committed."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What changes of alerts ask for once they are committed: rings for the doorbell, events to be published.

    `adopted` leads from an id that a change gave to a new alert to that of the one of its fingerprint that was open
    already: whoever remembers the first has to remember the second instead.
    """

    rings: Sequence[Ring] = ()
    events: Sequence[LiveEvent] = ()
    adopted: Mapping[UUID, UUID] = field(default_factory=dict)


class AlertStore:
    """Alerts within one unit of work, which has locked the judgements they follow from."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def apply(self, changes: Sequence[AlertChange]) -> Applied:
        """Write the changes in their order, those of one alert too; what was applied before changes nothing.

        Raises:
            UnsettledAlertError: others open and end an alert of the same fingerprint too fast.
        """
        steps: list[AlertStep] = []
        adopted: dict[UUID, UUID] = {}
        left = list(changes)
        for _ in range(MAX_TRIES):
            if not left:
                break
            folded = fold_changes(await self._lock(left), left)
            refused = await self._write(folded)
            steps += [step for step in folded.steps if step.after.alert_id not in refused]
            adopted |= folded.adopted
            left = [change for change in left if change.alert_id in refused]
        if left:
            raise UnsettledAlertError
        await AlertEventStore(self._work).add([_event_of(step) for step in steps])
        rings = await TellingStore(self._work).tell([step.change for step in steps])
        return Applied(rings, [_told(step) for step in steps], adopted)

    async def _lock(self, changes: Sequence[AlertChange]) -> list[AlertStanding]:
        """The alerts that are changed and the open ones of the same fingerprints, locked in the order of their ids."""
        subjects = [change.subject for change in changes if change.subject is not None]
        rows = await self._work.fetch(
            f"""
            select alert_id, fingerprint, name, severity, state, reason, rule_id, monitor_id, started_at, fired_at,
                   resolved_at, escalate_at, is_flapping
            from alerts where alert_id = any($1::uuid[]) or (fingerprint = any($2::bytea[]) and {UNRESOLVED})
            order by alert_id for no key update
            """,
            sorted({change.alert_id for change in changes}),
            sorted({subject.fingerprint for subject in subjects}),
        )
        return [AlertStanding(**{**row._mapping, "state": AlertState(row.state)}) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name of a row's mapping

    async def _write(self, folded: FoldedAlerts) -> set[UUID]:
        """Write where the alerts stand; those that another transaction opened meanwhile are refused."""
        touched = {step.after.alert_id for step in folded.steps}
        # What ends goes first: until then a new alert of its fingerprint has no place.
        await update_alerts(self._work, [folded.standings[each] for each in touched - folded.added])
        return await insert_alerts(self._work, [folded.standings[each] for each in folded.added])


def _event_of(step: AlertStep) -> AlertEvent:
    change = step.change
    return AlertEvent(
        change.alert_id, change.at, change.transition.value, reason=change.reason.value, detail=change.evidence or None
    )


def _told(step: AlertStep) -> AlertTold:
    after, change = step.after, step.change
    return AlertTold(
        after.alert_id, after.rule_id, after.monitor_id, after.state, change.at, after.name, after.severity,
        change.reason.value,
    )  # fmt: skip
