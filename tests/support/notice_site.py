"""Alerts, channels and notices over a real database, for tests of who is told what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from shared.clock import utc_now
from shared.domain.alert.alert_changes import AlertChange, AlertSource, AlertSubject, fingerprint_of_labels
from shared.domain.alert.alerts import Reason, Transition
from shared.domain.job.jobs import Ring
from shared.domain.rule.rules import EscalationStep
from shared.storage.alert.alert_store import AlertStore
from shared.storage.database import Database

AT_ONCE: Mapping[str, Any] = {"group_wait": "0s", "group_interval": "0s"}
"""Options of a channel that is told without waiting for others."""


@dataclass
class NoticeSite:
    """Writes channels and what becomes of alerts; shows what is owed, and the notices that there are."""

    database: Database
    rings: list[Ring] = field(default_factory=list)

    async def channel(
        self, name: str = "ops", *, url: str = "http://127.0.0.1:1/", kind: str = "webhook", **options: object
    ) -> UUID:
        """A webhook channel, or PagerDuty's; `options` as in `ChannelOptions`."""
        channel_id = uuid7()
        config = {"kind": kind, "url": url} | ({"routing_key": "key"} if kind == "pagerduty" else {})
        async with self.database.transaction() as work:
            await work.run(
                """
                insert into channels (channel_id, name, kind, config, shown, options, matchers, created_by)
                values ($1, $2, $6, $3, '{}', $4::text::jsonb, $5, 'tester')
                """,
                channel_id,
                name,
                msgspec.json.encode(config).decode(),
                msgspec.json.encode({**AT_ONCE, **options}).decode(),
                options.get("matchers"),
                kind,
            )
        return channel_id

    async def change(self, *changes: AlertChange) -> list[Ring]:
        """Write changes of alerts in one transaction; the rings are to be rung."""
        async with self.database.transaction() as work:
            applied = await AlertStore(work).apply(changes)
        self.rings += applied.rings
        return list(applied.rings)

    async def fire(self, *alerts: AlertSubject) -> list[UUID]:
        """Let alerts fire, all in one transaction."""
        fired = [fired_of(alert) for alert in alerts]
        await self.change(*fired)
        return [each.alert_id for each in fired]

    async def resolve(self, *alert_ids: UUID) -> None:
        """Let alerts resolve, all in one transaction."""
        await self.change(*(resolved_of(each) for each in alert_ids))

    async def silence(self, matchers: str) -> UUID:
        """A silence from now on."""
        silence_id = uuid7()
        await self.set(
            """
            insert into silences (silence_id, matchers, starts_at, ends_at, created_by)
            values ($1, $2, now() - interval '1 s', now() + interval '1 day', 'tester')
            """,
            silence_id,
            matchers,
        )
        return silence_id

    async def acknowledge(self, alert_id: UUID) -> None:
        """Somebody takes care of an alert."""
        await self.set(
            "update alerts set acknowledged_at = now(), acknowledged_by = 'ann' where alert_id = $1", alert_id
        )

    async def ruled(self, alert: AlertSubject, escalation: Sequence[EscalationStep]) -> AlertSubject:
        """The alert as one of a rule that has these steps."""
        rule_id = uuid7()
        spec = {"name": alert.name, "escalation": [step.model_dump(mode="json") for step in escalation]}
        await self.set(
            "insert into alert_rule_versions (rule_id, version, spec, by) values ($1, 1, $2::text::jsonb, 'tester')",
            rule_id,
            msgspec.json.encode(spec).decode(),
        )
        return replace(
            alert, source=AlertSource.RULE, rule_id=rule_id, rule_version=1, monitor_id=uuid7(), escalation=escalation
        )

    async def rows(self, statement: str, *parameters: object) -> Sequence[Any]:
        """What a statement returns."""
        async with self.database.transaction() as work:
            return await work.fetch(statement, *parameters)

    async def notices(self) -> Sequence[Any]:
        """All notices, the oldest first, each with the state of its job."""
        return await self.rows(
            """
            select n.*, j.state as job_state, j.run_at, j.priority, j.max_attempts, j.limit_key, j.effect_id,
                   j.labels as job_labels
            from notices n left join jobs j using (job_id) order by n.created_at, n.notice_id
            """
        )

    async def tellings(self) -> Sequence[Any]:
        """The whole ledger."""
        return await self.rows("select * from tellings order by wanted_at, alert_id, channel_id")

    async def set(self, statement: str, *parameters: object) -> None:
        """Change rows as somebody else would."""
        async with self.database.transaction() as work:
            await work.run(statement, *parameters)


def subject(
    host: str = "a",
    *,
    name: str = "slow",
    channels: Sequence[str] = ("ops",),
    severity: str = "warning",
    escalation: Sequence[EscalationStep] = (),
    **labels: str,
) -> AlertSubject:
    """An alert on a host."""
    seen = {"alertname": name, "host": host, "severity": severity, **labels}
    return AlertSubject(
        source=AlertSource.INBOUND,
        fingerprint=fingerprint_of_labels(seen),
        name=name,
        severity=severity,
        labels=seen,
        annotations={"summary": "{{ labels.host }} is slow"},
        channels=channels,
        escalation=escalation,
    )


def fired_of(alert: AlertSubject, *, at: datetime | None = None) -> AlertChange:
    """The firing of a new alert."""
    moment = at or utc_now() - timedelta(seconds=1)
    evidence = {"state": "up", "comparisons": []}
    return AlertChange(
        uuid7(), Transition.FIRE, Reason.MET, moment, moment, subject=alert, is_new=True, evidence=evidence
    )


def resolved_of(alert_id: UUID, *, at: datetime | None = None) -> AlertChange:
    """The resolve of an alert."""
    moment = at or utc_now()
    return AlertChange(alert_id, Transition.RESOLVE, Reason.NOT_MET, moment, moment)
