"""Alerts that other monitoring systems send in: they fire, are repeated, resolve or expire, and are told of as ours."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from uuid_utils.compat import uuid7

from shared.clock import Clock
from shared.domain.alert.inbound import RESOLVE_TIMEOUT, InboundAct, InboundAlert, expire_inbound, plan_inbound
from shared.domain.live import LiveEvent
from shared.services.job.announcer import Announcer
from shared.storage.alert.alert_store import AlertStore, Applied
from shared.storage.alert.inbound_store import InboundStore
from shared.storage.database import Database

MAX_OPEN = 20_000
"""How many alerts from elsewhere fire at once at most; more labels than that are a mistake."""
EXPIRED_AT_ONCE = 500
PATIENCE = RESOLVE_TIMEOUT
"""How long senders have to repeat themselves after we were away; a Prometheus does each minute."""
AWAY_AFTER = timedelta(minutes=1)
"""Who has not looked for what expires for so long was away: stopped, or without the database."""

Publish = Callable[[Sequence[LiveEvent]], None]


class TooManyInboundError(Exception):
    """As many alerts from elsewhere as may be fire already; nothing of the request was taken."""


class InboundAlerts:
    """Takes alerts in, all of a request in one transaction; what follows from it is told after its commit.

    Nothing expires for `patience` after this process was away, when perhaps nobody could be heard.
    """

    def __init__(
        self,
        database: Database,
        announcer: Announcer,
        publish: Publish,
        *,
        clock: Clock,
        patience: timedelta = timedelta(0),
    ) -> None:
        self._database = database
        self._announcer = announcer
        self._publish = publish
        self._clock = clock
        self._patience = patience
        self._looked_at: datetime | None = None
        self._looking_since: datetime | None = None

    async def receive(self, alerts: Sequence[InboundAlert], *, lasts: timedelta) -> Mapping[InboundAct, int]:
        """Take alerts in, and count what they did; a repeat of the same request fires nothing a second time.

        Raises:
            TooManyInboundError: more would fire than may.
        """
        if not alerts:
            return Counter()
        async with self._database.writing() as work:
            store = InboundStore(work)
            opened = await store.lock_open([alert.fingerprint for alert in alerts])
            plan = plan_inbound(alerts, opened, now=self._clock(), lasts=lasts, new_id=uuid7)
            acts = Counter(plan.acts)
            fires = acts[InboundAct.FIRED]
            if fires and await store.count_open(most=MAX_OPEN) + fires > MAX_OPEN:
                raise TooManyInboundError
            applied = await AlertStore(work).apply(plan.changes)
            await store.repeat(plan.repeats)
        self._tell(applied)
        return acts

    async def expire(self) -> int:
        """Resolve those that were not repeated in time, a bounded number at once; how many were."""
        now = self._clock()
        async with self._database.writing() as work:
            expired = await InboundStore(work).lock_expired(now=now, limit=EXPIRED_AT_ONCE)
            if now < self._look(now) + self._patience:
                return 0
            applied = await AlertStore(work).apply([expire_inbound(alert, at) for alert, at in expired])
        self._tell(applied)
        return len(expired)

    def _look(self, now: datetime) -> datetime:
        """Note that this process looks, and answer since when it has done so without being away."""
        if self._looking_since is None or self._looked_at is None or now - self._looked_at > AWAY_AFTER:
            self._looking_since = now
        self._looked_at = now
        return self._looking_since

    def _tell(self, applied: Applied) -> None:
        self._announcer.announce([], applied.rings)
        self._publish(applied.events)
