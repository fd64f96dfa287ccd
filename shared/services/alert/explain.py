"""Explains an alert: by what it fired, how that stands now, who was told and who is still owed word of it."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.domain.alert.alert_changes import AlertSource
from shared.domain.alert.explaining import ExplainedAlert, explain_in_words
from shared.domain.judging.evaluation import Scene, evaluate
from shared.domain.judging.evidence import evidence_of
from shared.domain.judging.judgements import CompiledRule, JudgedMonitor
from shared.domain.judging.window_codec import Windows, decode_windows
from shared.domain.rule.rules import Rule
from shared.domain.sample.monitor_samples import SeriesInfo, ShownSample
from shared.services.alert.explanation import Explanation, FiredBy, Now
from shared.storage.alert.alert_event_store import AlertEventStore
from shared.storage.alert.alert_reading import AlertReading, KeptAlert
from shared.storage.alert.explain_store import ExplainStore
from shared.storage.database import Database, UnitOfWork
from shared.storage.judging.rule_book import read_monitors
from shared.storage.rule.rule_reading import RuleReading, RuleVersion
from shared.storage.rule.rule_store import RuleStore
from shared.storage.sample.rollup_state import read_rollup_state
from shared.storage.sample.sample_reading import SampleWindow, coherent_reading
from shared.storage.sample.shown_samples import ShownSampleStore

MAX_SAMPLES = 200
"""How many of the samples that an alert fired by are shown, the latest."""
PATIENCE = timedelta(seconds=10)
_WITHOUT_WINDOW = timedelta(hours=1)
"""How far back samples are shown of a rule that has no window."""
_MOMENT = timedelta(microseconds=1)


class Explaining:
    """Explains alerts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def explain(self, alert_id: UUID) -> Explanation | None:
        """The alert explained as all tables stand at one moment; None when there is no such alert.

        Raises:
            StatsTimeoutError: reading took too long.
        """
        async with coherent_reading(self._database, patience=PATIENCE) as work:
            alert = await AlertReading(work).find(alert_id)
            return None if alert is None else await _Reading(work, alert).run()


class _Reading:
    """One alert, read within one unit of work."""

    def __init__(self, work: UnitOfWork, alert: KeptAlert) -> None:
        self._work = work
        self._alert = alert
        self._store = ExplainStore(work)
        self._missing: list[str] = []

    async def run(self) -> Explanation:
        alert = self._alert
        at = await self._store.now()
        version, rule = await self._rules()
        monitor = await self._monitor()
        now = None if rule is None or monitor is None else await self._judge(rule, monitor, at)
        fired_by = None if monitor is None else await self._samples(monitor)
        tellings = await self._store.list_tellings(alert.alert_id)
        life = (alert.fired_at or alert.started_at, alert.resolved_at)
        notices = await self._store.list_notices(alert.alert_id, tellings, life) if tellings else []
        by_id = {notice.status.notice_id: notice for notice in notices}
        explained = ExplainedAlert(
            name=alert.name,
            of=_subject_of(alert),
            severity=alert.severity,
            state=alert.state,
            reason=alert.reason,
            started_at=alert.started_at,
            fired_at=alert.fired_at,
            resolved_at=alert.resolved_at,
            is_inbound=alert.source is AlertSource.INBOUND,
            is_flapping=alert.is_flapping,
            evidence=alert.evidence,
            now=None if now is None else now.evidence,
            wanted_for=None if version is None else version.spec.for_,
            acknowledged_by=alert.acknowledged_by,
            acknowledged_at=alert.acknowledged_at,
            channels=[telling.debt(by_id) for telling in tellings],
        )
        return Explanation(
            alert=alert,
            events=await AlertEventStore(self._work).list_latest(alert.alert_id),
            version=version,
            rule=rule,
            now=now,
            fired_by=fired_by,
            tellings=tellings,
            notices=notices,
            summary=explain_in_words(explained, now=at, missing=self._missing),
        )

    async def _rules(self) -> tuple[RuleVersion | None, Rule | None]:
        rule_id, number = self._alert.rule_id, self._alert.rule_version
        if rule_id is None or number is None:
            return None, None
        version = await RuleReading(self._work).find_version(rule_id, number)
        rule = await RuleStore(self._work).find(rule_id)
        if rule is None:
            self._missing.append("Its rule has been deleted since.")
        elif rule.version != number:
            self._missing.append(
                f"Its rule has been changed since: it fired by version {number}, and version {rule.version} judges now."
            )
        return version, rule

    async def _monitor(self) -> JudgedMonitor | None:
        if self._alert.monitor_id is None:
            return None
        monitor = (await read_monitors(self._work, [self._alert.monitor_id])).get(self._alert.monitor_id)
        if monitor is None:
            self._missing.append("Its monitor has been deleted since, and with it the samples that it fired by.")
        return monitor

    async def _judge(self, rule: Rule, monitor: JudgedMonitor, at: datetime) -> Now | None:
        """What the rule says now, by what it remembers; nothing is changed by that."""
        compiled = CompiledRule.of(rule)
        remembered = await self._store.find_remembered(rule.rule_id, monitor.monitor_id)
        if remembered is None or not rule.spec.enabled or not compiled.judges(monitor):
            self._missing.append("The rule does not judge the monitor now.")
            return None
        windows: Windows | None = Windows(0)
        if not compiled.program.is_of_state:
            windows = decode_windows(compiled.program.shape, remembered.windows, remembered.past)
        if windows is None:
            self._missing.append("The numbers of now are still being gathered; ask again in a few seconds.")
            return None
        scene = Scene(windows, remembered.state, monitor.schedule, at, remembered.filled_from, remembered.cause)
        judged = evaluate(compiled.program, scene, latched=remembered.latched)
        return Now(at, judged.verdict.value, evidence_of(judged, scene))

    async def _samples(self, monitor: JudgedMonitor) -> FiredBy:
        """The samples that it fired by, wherever they are kept."""
        start, end = _window_of(self._alert)
        horizon = await read_rollup_state(self._work)
        kept = SampleWindow.of(start, end + _MOMENT, horizon=horizon)
        found: list[ShownSample] = []
        if kept.start < kept.end:
            series = SeriesInfo(monitor.series_id, monitor.kind, monitor.name, monitor.group, monitor.monitor_id)
            found = await ShownSampleStore(self._work).newest(series, kept, limit=MAX_SAMPLES + 1)
        if kept.start > start:
            how_many = "Some of the samples" if found else "The samples"
            self._missing.append(f"{how_many} that it fired by are older than samples are kept.")
        return FiredBy(start, end, found[:MAX_SAMPLES][::-1], has_more=len(found) > MAX_SAMPLES)


def _subject_of(alert: KeptAlert) -> str:
    labels = alert.labels
    name = labels.get("monitor") or labels.get("instance") or ""
    return f"{name} ({labels['group']})" if name and labels.get("group") else name


def _window_of(alert: KeptAlert) -> tuple[datetime, datetime]:
    """From when to when the figures that it fired by reach."""
    at = _moment_in(alert.evidence.get("at")) or alert.fired_at or alert.started_at
    starts = [start for figure in _figures_of(alert.evidence) if (start := _moment_in(figure.get("from"))) is not None]
    return min(starts, default=at - _WITHOUT_WINDOW), at


def _figures_of(evidence: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for each in evidence.get("comparisons", ()):
        yield each
        yield from each.get("figures", {}).values()


def _moment_in(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
