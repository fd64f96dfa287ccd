"""What a notice tells of its group, decided when its time has come; pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.alert.alerts import AlertState
from shared.domain.notice.notice_words import render_annotations
from shared.domain.notice.notices import (
    MAX_NEWS,
    MAX_TOLD_ALONG,
    MAX_TOLD_CHARACTERS,
    NoticeContent,
    NoticeKind,
    ToldAlert,
)
from shared.domain.notice.tellings import NEWS, Mark, OpenTelling, TellReason, decide_telling
from shared.domain.template.template_budget import metered

ANNOTATIONS_BUDGET = 2_000_000
"""What all annotations of a notice may cost, half a second; beyond it they are told as they were written."""


@dataclass(frozen=True, slots=True)
class GroupNews:
    """What is known of a group when its notice is composed.

    `open_tellings` are first what is owed, the most urgent first, then what may be told along. `has_unread` when not
    all that is owed was read; `unread_firing` are the firing ones, owed or told before, that were not.
    """

    kind: NoticeKind
    receiver: str
    group_key: str
    group_labels: Mapping[str, str]
    number: int
    open_tellings: Sequence[OpenTelling]
    has_unread: bool = False
    unread_firing: int = 0
    is_channel_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Composed:
    """What a notice says, None when there is nothing to tell; what is written of each telling; and whether more waits.

    `is_firing` tells whether anything that was told goes on firing, so that people are reminded of it.
    """

    content: NoticeContent | None
    marks: tuple[Mark, ...]
    has_more: bool
    is_firing: bool


def compose(news: GroupNews, *, now: datetime, most: int = MAX_NEWS) -> Composed:
    """Decide what a notice tells, `most` alerts that are news.

    Each alert that fired or resolved is named by exactly one notice: those that do not fit into this one are left to
    the next. What still fires is named as far as there is room, and counted.
    """
    marks = [
        Mark(telling, decide_telling(telling, is_channel_deleted=news.is_channel_deleted))
        for telling in news.open_tellings
    ]
    fresh = [mark for mark in marks if mark.reason in NEWS]
    fitting = min(most, _fitting(fresh))
    told, left = fresh[:fitting], fresh[fitting:]
    along = [mark for mark in marks if mark.reason is TellReason.STILL_FIRING]
    is_firing = news.unread_firing > 0 or any(_goes_on(mark) for mark in marks)
    kept = (*told, *(mark for mark in marks if mark.reason not in NEWS))
    has_more = bool(left) or news.has_unread
    if not told and not _is_reminding(news.kind, along):
        return Composed(None, kept, has_more, is_firing)
    beside = min(MAX_TOLD_ALONG, _fitting([*told, *along]) - len(told))
    named, unnamed = [*told, *along[:beside]], [*left, *along[beside:]]
    truncated = news.unread_firing + sum(not mark.telling.is_over for mark in unnamed)
    kind = NoticeKind.ALERT if told else NoticeKind.REMINDER
    return Composed(_content(replace(news, kind=kind), named, truncated, now), kept, has_more, is_firing)


def _fitting(marks: Sequence[Mark]) -> int:
    """How many of these have room in one notice, one at least."""
    left = MAX_TOLD_CHARACTERS
    for count, mark in enumerate(marks):
        alert = mark.telling.alert
        left -= sum(
            len(name) + len(value) for each in (alert.labels, alert.annotations) for name, value in each.items()
        )
        if left < 0:
            return max(count, 1)
    return len(marks)


def _goes_on(mark: Mark) -> bool:
    """Whether the channel has been told that it fires, and not that it resolved."""
    return mark.reason in {TellReason.FIRED, TellReason.STILL_FIRING, TellReason.NOT_TOLD_ALONG}


def _is_reminding(kind: NoticeKind, along: Sequence[Mark]) -> bool:
    """People are reminded of what nobody has acknowledged."""
    return kind is NoticeKind.REMINDER and any(mark.telling.alert.acknowledged_by is None for mark in along)


def _content(news: GroupNews, named: Sequence[Mark], truncated: int, now: datetime) -> NoticeContent:
    with metered(ANNOTATIONS_BUDGET):
        alerts = tuple(sorted(map(_told, named), key=_order))
    is_firing = truncated > 0 or any(alert.status == AlertState.FIRING for alert in alerts)
    return NoticeContent(
        kind=news.kind,
        status="firing" if is_firing else "resolved",
        receiver=news.receiver,
        group_key=news.group_key,
        group_labels=news.group_labels,
        common_labels=_common([alert.labels for alert in alerts]),
        common_annotations=_common([alert.annotations for alert in alerts]),
        alerts=alerts,
        truncated=truncated,
        number=news.number,
        composed_at=now,
    )


def _told(mark: Mark) -> ToldAlert:
    alert = mark.telling.alert
    annotations = alert.annotations
    # One that was sent in has no evidence; who sent it has rendered them.
    if alert.evidence:
        annotations = render_annotations(annotations, alert.labels, alert.evidence)
    return replace(alert, annotations=annotations, is_news=mark.reason in NEWS)


def _order(alert: ToldAlert) -> tuple[bool, bool, int, datetime]:
    """What fires comes first, what is new before the rest, what matters most before what matters less."""
    weight = {"critical": 0, "warning": 1}.get(alert.severity, 2)
    return alert.status != AlertState.FIRING, not alert.is_news, weight, alert.starts_at


def _common(all_labels: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The labels that all have alike."""
    return dict(_alike(all_labels))


def _alike(all_labels: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in all_labels[0].items():
        if all(labels.get(name) == value for labels in all_labels[1:]):
            yield name, value
