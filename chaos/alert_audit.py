"""The reckoning of alerts: what the database says became of them, and what receivers heard, against each other."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from uuid import UUID

from chaos.alert_ledger import AlertReckoning, AlertRecords, Heard, KeptAlert, KeptTelling, Place, Span

FIRING, RESOLVED = "firing", "resolved"
LEGAL = frozenset({("pend", "clear"), ("pend", "fire", "resolve"), ("fire", "resolve")})
"""What may have become of an alert once all is calm."""

ChannelsOf = Callable[[KeptAlert], frozenset[str]]
"""Who is to be told that an alert fires."""


def reckon_alerts(
    records: AlertRecords, heard: Sequence[Heard], *, channels_of: ChannelsOf, of_state: str
) -> AlertReckoning:
    """Judge all alerts once everything is calm; `of_state` names the rule that is `state == down` and nothing else."""
    told = Told(heard)
    unknown = {(each.channel, each.notice_id) for each in heard if records.notices.get(each.notice_id) is None}
    return AlertReckoning(
        lost=dict(_lost(records, told, channels_of)),
        unpaired=dict(told.unpaired()),
        changed=dict(told.changed()) | dict.fromkeys(unknown, "a notice that the database knows nothing of"),
        illegal=dict(_illegal(records.alerts)),
        contradicting=dict(_contradicting(records, of_state)),
        alerts=len(records.alerts),
        fired=sum(alert.fired_at is not None for alert in records.alerts),
        held_back=sum(each.is_held_back and each.fire_notice_id is None for each in records.tellings),
        notices=len(told.taken),
        repeats=sum(each.is_taken for each in heard) - len(told.taken),
        untaken=sum(not each.is_taken for each in heard),
    )


class Told:
    """What receivers took, each notice when it came for the first time: a repeat is known by its id."""

    def __init__(self, heard: Sequence[Heard]) -> None:
        self._heard = heard
        self.taken: dict[UUID, Heard] = {}
        for each in sorted(heard, key=lambda each: each.number):
            if each.is_taken:
                self.taken.setdefault(each.notice_id, each)

    def was_told(self, notice_id: UUID | None, telling: KeptTelling, statuses: frozenset[str]) -> bool:
        """Whether the channel took the notice, and it said so of the alert."""
        found = None if notice_id is None else self.taken.get(notice_id)
        if found is None or found.channel != telling.channel:
            return False
        return dict(found.alerts).get(telling.alert_id) in statuses

    def unpaired(self) -> Iterator[tuple[Place, str]]:
        """Where a firing that was told was not followed by its resolve."""
        said: dict[Place, list[str]] = defaultdict(list)
        for each in self.taken.values():
            for alert_id, status in each.alerts:
                said[each.channel, alert_id].append(status)
        for place, statuses in said.items():
            if statuses[-1] != RESOLVED:
                yield place, f"was told {statuses}, and nothing more"
            elif statuses.count(RESOLVED) > 1 or FIRING in statuses[statuses.index(RESOLVED) :]:
                yield place, f"was told {statuses}"

    def changed(self) -> Iterator[tuple[Place, str]]:
        """Where notices of one id were not the same."""
        digests: dict[Place, set[str]] = defaultdict(set)
        for each in self._heard:
            digests[each.channel, each.notice_id].add(each.digest)
        for place, found in digests.items():
            if len(found) > 1:
                yield place, f"came in {len(found)} different wordings"


def _lost(records: AlertRecords, told: Told, channels_of: ChannelsOf) -> Iterator[tuple[Place, str]]:
    tellings = {(each.channel, each.alert_id): each for each in records.tellings}
    for alert in records.alerts:
        for channel in channels_of(alert) if alert.fired_at else ():
            why = _why_lost(tellings.get((channel, alert.alert_id)), told, records.notices)
            if why:
                yield (channel, alert.alert_id), why


def _why_lost(telling: KeptTelling | None, told: Told, notices: Mapping[UUID | None, str]) -> str | None:
    if telling is None:
        return "it fired, and is owed to nobody"
    if not telling.is_settled:
        return "it is still owed"
    if telling.fire_notice_id is None:
        return None if telling.is_held_back else "settled, and never told"
    if not told.was_told(telling.fire_notice_id, telling, frozenset({FIRING, RESOLVED})):
        return f"its firing was not taken, its notice is {notices.get(telling.fire_notice_id)}"
    if not told.was_told(telling.resolve_notice_id, telling, frozenset({RESOLVED})):
        return f"its resolve was not taken, its notice is {notices.get(telling.resolve_notice_id)}"
    return None


def _illegal(alerts: Sequence[KeptAlert]) -> Iterator[tuple[Place, str]]:
    lives: dict[bytes, list[KeptAlert]] = defaultdict(list)
    for alert in alerts:
        lives[alert.fingerprint].append(alert)
        kinds, moments = [kind for kind, _ in alert.steps], [at for _, at in alert.steps]
        if tuple(kinds) not in LEGAL:
            yield (alert.rule, alert.alert_id), f"is {alert.state} by {kinds}"
        elif moments != sorted(moments):
            yield (alert.rule, alert.alert_id), f"{kinds} at {moments}"
    for of_one in lives.values():
        ordered = sorted(of_one, key=lambda alert: (alert.started_at, alert.alert_id))
        for before, after in pairwise(ordered):
            if before.resolved_at is None or before.resolved_at > after.started_at:
                yield (after.rule, after.alert_id), f"began at {after.started_at} beside {before.alert_id}"


def _contradicting(records: AlertRecords, of_state: str) -> Iterator[tuple[Place, str]]:
    lives: dict[UUID, dict[Span, UUID]] = defaultdict(dict)
    for alert in records.alerts:
        if alert.rule == of_state and alert.monitor_id in records.downs and alert.fired_at and alert.resolved_at:
            lives[alert.monitor_id][alert.fired_at, alert.resolved_at] = alert.alert_id
    for monitor_id, downs in records.downs.items():
        for span, alert_id in _missing(lives[monitor_id], downs):
            yield (of_state, alert_id), f"fired from {span[0]} to {span[1]}, and the timeline of {monitor_id} does not"
        for span in set(downs) - lives[monitor_id].keys():
            yield (of_state, monitor_id), f"was down from {span[0]} to {span[1]}, and no alert fired"


def _missing(lives: Mapping[Span, UUID], downs: Sequence[Span]) -> list[tuple[Span, UUID]]:
    return [(span, alert_id) for span, alert_id in lives.items() if span not in set(downs)]
