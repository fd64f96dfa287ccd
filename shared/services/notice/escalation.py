"""Escalation: who is told too when nobody has acknowledged an alert in time. Safe anywhere and twice."""

from shared.services.job.announcer import Announcer
from shared.storage.database import Database
from shared.storage.notice.escalation_store import DueAlert, EscalationStore
from shared.storage.notice.telling_store import TellingStore, ToldChannel, Wanted

ESCALATED_AT_ONCE = 200


class Escalation:
    """Takes the steps of rules' escalation; an acknowledgement stops it."""

    def __init__(self, database: Database, announcer: Announcer) -> None:
        self._database = database
        self._announcer = announcer

    async def run(self) -> int:
        """Take the steps that are due; answers how many."""
        async with self._database.transaction() as work:
            store, tellings = EscalationStore(work), TellingStore(work)
            due = await store.lock_due(limit=ESCALATED_AT_ONCE)
            if not due:
                return 0
            channels = await tellings.list_told({name for each in due for name in each.channels})
            await store.mark_taken(due)
            wanted = [each for alert in due for each in _wanted(alert, channels)]
            rings = await tellings.want(wanted) if wanted else []
        self._announcer.announce([], rings)
        return len(due)


def _wanted(alert: DueAlert, channels: list[ToldChannel]) -> list[Wanted]:
    return [
        Wanted(alert.alert_id, channel.group_of(alert.labels, alert.fingerprint), step=alert.escalated + 1)
        for channel in channels
        if channel.name in alert.channels
    ]
