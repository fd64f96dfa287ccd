"""An alert explained in a few sentences, for whoever is woken by it; pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.domain.alert.alerts import AlertState, Reason
from shared.domain.alert.reasons_in_words import now_in_words, why_in_words
from shared.domain.notice.notice_view import duration_words, moment
from shared.domain.notice.notices import NoticeState
from shared.domain.notice.owed import ChannelDebt, HeldBackBy, Owed, ToldNotice

_ENDS: Mapping[str, str] = {
    Reason.NOT_MET: "the condition is not met any more",
    Reason.NO_DATA: "there was nothing to judge by",
    Reason.RULE_DELETED: "its rule was deleted",
    Reason.RULE_DISABLED: "its rule was disabled",
    Reason.MONITOR_DELETED: "its monitor was deleted",
    Reason.MONITOR_PAUSED: "its monitor was paused",
    Reason.DESELECTED: "the rule no longer selects the monitor",
    Reason.SENT_RESOLVED: "whoever sent it in said so",
    Reason.EXPIRED: "whoever sent it in has not repeated it",
}
_HOLDS = {
    "silence": "a silence",
    "maintenance": "maintenance",
    "inhibition": "another alert that explains it, by the inhibition",
    "dependency": "a monitor that it depends on, which is down, by the inhibition",
    "quiet_hours": "its",
    "channel_disabled": "the disabled channel",
}


@dataclass(frozen=True, slots=True)
class ExplainedAlert:
    """What is known of an alert, as far as it is told in sentences; `of` is the monitor or what was sent in.

    `evidence` are the numbers it fired by, and `now` those of now, where there are any.
    """

    name: str
    of: str
    severity: str
    state: AlertState
    reason: str
    started_at: datetime
    fired_at: datetime | None
    resolved_at: datetime | None
    is_inbound: bool
    is_flapping: bool
    evidence: Mapping[str, Any]
    now: Mapping[str, Any] | None
    wanted_for: timedelta | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    channels: Sequence[ChannelDebt] = ()


def explain_in_words(alert: ExplainedAlert, *, now: datetime, missing: Sequence[str] = ()) -> list[str]:
    """The sentences, the most urgent first; `missing` are those about what can no longer be told."""
    return [*_life(alert, now), *_numbers(alert), *_channels(alert), *missing]


def _life(alert: ExplainedAlert, now: datetime) -> Iterator[str]:
    subject = f'"{alert.name}"' + (f" on {alert.of}" if alert.of else "")
    since = alert.fired_at or alert.started_at
    lasted = duration_words((alert.resolved_at or now) - since)
    match alert.state:
        case AlertState.PENDING:
            wanted = "" if alert.wanted_for is None else f" for {duration_words(alert.wanted_for)}"
            yield (
                f"{subject} is pending: its condition is met since {moment(alert.started_at)}, for {lasted}. It fires, "
                f"and people are told, when it was met{wanted}."
            )
        case AlertState.FIRING:
            yield f"{subject} fires since {moment(since)}, for {lasted}; it is {alert.severity}."
        case AlertState.RESOLVED:
            yield _end(alert, subject, lasted)
    if alert.is_flapping:
        yield "It came and went too often, and is kept firing until it has been quiet."
    if alert.acknowledged_by is not None and alert.acknowledged_at is not None:
        yield f"{alert.acknowledged_by} has acknowledged it at {moment(alert.acknowledged_at)}."


def _end(alert: ExplainedAlert, subject: str, lasted: str) -> str:
    why = _ENDS.get(alert.reason, alert.reason)
    ended = moment(alert.resolved_at or alert.started_at)
    if alert.fired_at is None:
        return f"{subject} never fired: its condition was met for {lasted}, until {ended}, when it ended: {why}."
    return f"{subject} is over: it fired for {lasted}, until {ended}, when it ended: {why}."


def _numbers(alert: ExplainedAlert) -> Iterator[str]:
    if alert.is_inbound:
        yield "Another system has judged and sent it in; only that one knows its numbers."
        return
    why = why_in_words(alert.evidence)
    if why:
        begun = "fired" if alert.fired_at is not None else "began"
        yield f"It {begun} because {' and '.join(why)}."
    elif alert.evidence.get("comparisons"):
        yield "There was nothing to judge by, and the rule asks to fire then."
    current = now_in_words(alert.now) if alert.now is not None else []
    if current:
        yield f"Now {' and '.join(current)}."


def _channels(alert: ExplainedAlert) -> Iterator[str]:
    if not alert.channels and alert.fired_at is not None:
        named = "" if alert.is_inbound else "its rule named no channel, and "
        yield f"Nobody is told of it: when it fired, {named}no channel's matchers fitted its labels."
    for channel in alert.channels:
        yield f"{channel.channel}: {'; '.join(_channel(channel, alert.state))}."


def _channel(debt: ChannelDebt, state: AlertState) -> Iterator[str]:
    if debt.fire is not None and debt.fire == debt.resolve:
        yield _notice(debt.fire, "that it fired and is over")
    else:
        if debt.fire is not None:
            yield _notice(debt.fire, "that it fires")
        if debt.resolve is not None:
            yield _notice(debt.resolve, "that it is over")
    is_forgotten = debt.is_fire_told and debt.fire is None
    if is_forgotten:
        yield "it was told that it fires, by a notice that is no longer kept"
    yield from _debt(debt, debt.owed(state))


def _debt(debt: ChannelDebt, owed: Owed) -> Iterator[str]:
    by = ", ".join(_held(each) for each in debt.held_back_by)
    when = "" if debt.next_notice_at is None else f", next at {moment(debt.next_notice_at)}"
    match owed:
        case Owed.FIRING:
            yield f"it is to be told that it fires{when}"
        case Owed.FIRING_IF_IT_LASTS:
            yield f"not told that it fires because of {by}; it is told when that ends, if it fires still"
        case Owed.RESOLVE_WHEN_OVER:
            yield "it will be told when it is over"
        case Owed.RESOLVE:
            yield f"it is still owed word that it is over{when}"
        case Owed.NOTHING if debt.held_back_by and not debt.is_fire_told:
            yield f"never told: it was over before the end of {by}"
        case Owed.NOTHING if not debt.is_fire_told:
            yield "never told: the channel was deleted before"


def _notice(notice: ToldNotice, what: str) -> str:
    tries = f"{notice.tries} tr{'y' if notice.tries == 1 else 'ies'}"
    failure = "" if notice.failure is None else f": {notice.failure}"
    match notice.state:
        case NoticeState.DELIVERED:
            return f"told {what} at {moment(notice.ended_at)} ({tries})" if notice.ended_at else f"told {what}"
        case NoticeState.FAILED:
            return f"NOT told {what}: given up after {tries}{failure}; redeliver the notice"
        case NoticeState.CANCELLED:
            return f"NOT told {what}: somebody cancelled the notice"
    return f"not yet told {what}: {tries} so far{failure}" if notice.tries else f"being told {what}"


def _held(hold: HeldBackBy) -> str:
    until = "" if hold.until is None else f" until {moment(hold.until)}"
    return f'{_HOLDS.get(hold.kind, hold.kind)} "{hold.name}"{until}'
