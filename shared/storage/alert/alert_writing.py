"""The statements that write alerts, many at once."""

from collections.abc import Sequence
from uuid import UUID

from shared.domain.alert.alert_changes import AlertSubject
from shared.domain.alert.alert_folding import AlertStanding
from shared.storage.database import UnitOfWork
from shared.storage.storable import json_or_none, storable, storable_or_none


async def insert_alerts(work: UnitOfWork, alerts: Sequence[AlertStanding]) -> set[UUID]:
    """Insert new alerts; answer those that were not, because one of the fingerprint is open.

    Inserted in the order of fingerprints: two transactions that wait for each other's would never end.
    """
    ordered = sorted(alerts, key=lambda alert: alert.fingerprint)
    given = [(alert, alert.subject) for alert in ordered if alert.subject is not None]
    if not given:
        return set()
    rows = await work.fetch(
        """
        insert into alerts (alert_id, source, fingerprint, rule_id, monitor_id, started_at, state, reason, name,
                            severity, labels, annotations, rule_version, generator_url, expires_at, evidence,
                            is_flapping, fired_at, resolved_at, escalate_at)
        select alert_id, source, fingerprint, rule_id, monitor_id, started_at, state, reason, name, severity,
               labels::jsonb, annotations::jsonb, rule_version, generator_url, expires_at,
               coalesce(evidence::jsonb, '{}'), is_flapping, fired_at, resolved_at, escalate_at
        from unnest($1::uuid[], $2::text[], $3::bytea[], $4::uuid[], $5::uuid[], $6::timestamptz[], $7::text[],
                    $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::int8[], $14::text[],
                    $15::timestamptz[], $16::text[], $17::bool[], $18::timestamptz[], $19::timestamptz[],
                    $20::timestamptz[]) with ordinality
             as n (alert_id, source, fingerprint, rule_id, monitor_id, started_at, state, reason, name, severity,
                   labels, annotations, rule_version, generator_url, expires_at, evidence, is_flapping, fired_at,
                   resolved_at, escalate_at, place)
        order by place
        on conflict do nothing
        returning alert_id
        """,
        [alert.alert_id for alert, _ in given],
        [subject.source.value for _, subject in given],
        [alert.fingerprint for alert, _ in given],
        [alert.rule_id for alert, _ in given],
        [alert.monitor_id for alert, _ in given],
        [alert.started_at for alert, _ in given],
        *_columns([alert for alert, _ in given]),
    )
    return {alert.alert_id for alert, _ in given} - {row.alert_id for row in rows}


async def update_alerts(work: UnitOfWork, alerts: Sequence[AlertStanding]) -> None:
    """Write where locked alerts stand; what their subject says is kept when they have none."""
    if not alerts:
        return
    await work.run(
        """
        update alerts a
        set state = n.state, reason = n.reason, name = n.name, severity = n.severity,
            labels = coalesce(n.labels::jsonb, a.labels), annotations = coalesce(n.annotations::jsonb, a.annotations),
            rule_version = case when n.labels is null then a.rule_version else n.rule_version end,
            generator_url = case when n.labels is null then a.generator_url else n.generator_url end,
            expires_at = case when n.labels is null then a.expires_at else n.expires_at end,
            evidence = coalesce(n.evidence::jsonb, a.evidence), is_flapping = n.is_flapping, fired_at = n.fired_at,
            resolved_at = n.resolved_at, escalate_at = n.escalate_at, version = a.version + 1
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int8[],
                    $9::text[], $10::timestamptz[], $11::text[], $12::bool[], $13::timestamptz[], $14::timestamptz[],
                    $15::timestamptz[])
             as n (alert_id, state, reason, name, severity, labels, annotations, rule_version, generator_url,
                   expires_at, evidence, is_flapping, fired_at, resolved_at, escalate_at)
        where a.alert_id = n.alert_id
        """,
        [alert.alert_id for alert in alerts],
        *_columns(alerts),
    )


def _columns(alerts: Sequence[AlertStanding]) -> list[list[object]]:
    """What both statements write, in their order."""
    subjects = [alert.subject for alert in alerts]
    return [
        [alert.state.value for alert in alerts],
        [alert.reason for alert in alerts],
        [storable(alert.name) for alert in alerts],
        [alert.severity for alert in alerts],
        [_labels_of(subject) for subject in subjects],
        [None if subject is None else json_or_none(subject.annotations) for subject in subjects],
        [None if subject is None else subject.rule_version for subject in subjects],
        [None if subject is None else storable_or_none(subject.generator_url) for subject in subjects],
        [None if subject is None else subject.expires_at for subject in subjects],
        [json_or_none(alert.evidence) for alert in alerts],
        [alert.is_flapping for alert in alerts],
        [alert.fired_at for alert in alerts],
        [alert.resolved_at for alert in alerts],
        [alert.escalate_at for alert in alerts],
    ]


def _labels_of(subject: AlertSubject | None) -> str | None:
    return None if subject is None else json_or_none(subject.labels)
