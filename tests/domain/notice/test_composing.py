"""What a notice tells of its group."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.notice.composing import GroupNews, compose
from shared.domain.notice.notices import MAX_TOLD_ALONG, MAX_TOLD_CHARACTERS, NoticeContent, NoticeKind, ToldAlert
from shared.domain.notice.tellings import NEWS, SETTLED, OpenTelling, TellReason, decide_telling
from shared.domain.suppression.suppressions import Suppression, SuppressionKind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SILENCE = (Suppression(SuppressionKind.SILENCE, "night"),)


def telling(number: int = 1, **changes: Any) -> OpenTelling:
    """A telling of an alert on a host; `is_over`, `is_fire_told`, `suppressions`, or fields of the alert."""
    is_over = changes.pop("is_over", False)
    is_fire_told = changes.pop("is_fire_told", False)
    suppressions = changes.pop("suppressions", ())
    alert = ToldAlert(
        alert_id=UUID(int=number),
        status="resolved" if is_over else "firing",
        is_news=False,
        name="slow",
        severity="warning",
        labels={"alertname": "slow", "host": f"h{number}"},
        annotations={"summary": "{{ labels.host }} is slow", "runbook": "https://wiki.example/slow"},
        starts_at=NOW - timedelta(minutes=number),
        ends_at=NOW if is_over else None,
        fingerprint="ab",
        reason="met",
        evidence={"state": "up"},
    )
    return OpenTelling(replace(alert, **changes), is_fire_told, suppressions)


def news(*tellings: OpenTelling, kind: NoticeKind = NoticeKind.ALERT, **changes: Any) -> GroupNews:
    group = GroupNews(kind, "ops", "g", {"alertname": "slow"}, 3, tellings)
    return replace(group, **changes)


def content(*tellings: OpenTelling, **changes: Any) -> NoticeContent:
    composed = compose(news(*tellings, **changes), now=NOW)
    assert composed.content is not None
    return composed.content


@pytest.mark.parametrize(
    ("is_fire_told", "is_over", "is_held", "is_deleted", "expected"),
    [
        (False, False, False, False, TellReason.FIRED),
        (False, True, False, False, TellReason.FIRED_AND_RESOLVED),
        (False, False, True, False, TellReason.HELD_BACK),
        (False, True, True, False, TellReason.OVER_UNTOLD),
        (False, False, False, True, TellReason.NOT_WANTED),
        (False, True, True, True, TellReason.NOT_WANTED),
        (True, False, False, False, TellReason.STILL_FIRING),
        (True, False, True, False, TellReason.NOT_TOLD_ALONG),
        (True, False, False, True, TellReason.NOT_TOLD_ALONG),
        (True, True, False, False, TellReason.RESOLVED),
        (True, True, True, False, TellReason.RESOLVED),
        (True, True, True, True, TellReason.RESOLVED),
    ],
)
def test_what_becomes_of_an_alert(
    *, is_fire_told: bool, is_over: bool, is_held: bool, is_deleted: bool, expected: TellReason
) -> None:
    """A resolve that is owed is told through everything; a firing only when nothing holds it back."""
    open_telling = telling(is_fire_told=is_fire_told, is_over=is_over, suppressions=SILENCE if is_held else ())
    assert decide_telling(open_telling, is_channel_deleted=is_deleted) is expected


def test_a_notice_says_what_is_new_and_what_its_alerts_have_alike() -> None:
    """Firing before resolved, new before known, critical before the rest; annotations are rendered."""
    told = content(
        telling(1, is_fire_told=True),
        telling(2, is_over=True, is_fire_told=True),
        telling(3),
        telling(4, severity="critical"),
    )
    assert [(alert.labels["host"], alert.status, alert.is_news) for alert in told.alerts] == [
        ("h4", "firing", True),
        ("h3", "firing", True),
        ("h1", "firing", False),
        ("h2", "resolved", True),
    ]
    assert told.alerts[0].annotations["summary"] == "h4 is slow"
    assert (told.status, told.truncated, told.number, told.kind) == ("firing", 0, 3, NoticeKind.ALERT)
    assert told.common_labels == {"alertname": "slow"}
    assert told.common_annotations == {"runbook": "https://wiki.example/slow"}


def test_a_notice_of_resolves_alone_is_resolved() -> None:
    """Its status is that of the group as it is told."""
    assert content(telling(1, is_over=True, is_fire_told=True)).status == "resolved"
    assert content(telling(1, is_over=True)).status == "resolved"


@pytest.mark.parametrize("held", [(), SILENCE], ids=["free", "held back"])
def test_without_news_there_is_no_notice(held: tuple[Suppression, ...]) -> None:
    """What still fires is told along, not for itself; it is remembered that something does."""
    composed = compose(news(telling(1, is_fire_told=True), telling(2, suppressions=SILENCE)), now=NOW)
    assert composed.content is None
    assert composed.is_firing
    assert not compose(news(telling(2, suppressions=held or SILENCE)), now=NOW).is_firing


def test_a_reminder_tells_what_nobody_has_acknowledged() -> None:
    """What somebody takes care of is told along, and is no reason for a reminder; news make it a notice of news."""
    known, cared = telling(1, is_fire_told=True), telling(2, is_fire_told=True, acknowledged_by="ann")
    assert compose(news(cared, kind=NoticeKind.REMINDER), now=NOW).content is None
    assert content(known, cared, kind=NoticeKind.REMINDER).kind is NoticeKind.REMINDER
    assert len(content(known, cared, kind=NoticeKind.REMINDER).alerts) == 2
    assert content(known, telling(3), kind=NoticeKind.REMINDER).kind is NoticeKind.ALERT


def test_known_alerts_that_do_not_fit_are_counted() -> None:
    """A notice names a hundred beside its news; the firing ones that were not even read count too."""
    known = [telling(number, is_fire_told=True) for number in range(2, 150)]
    told = content(telling(1), *known, unread_firing=7)
    assert len(told.alerts) == 1 + MAX_TOLD_ALONG
    assert told.truncated == len(known) - MAX_TOLD_ALONG + 7


def test_news_with_many_words_are_told_by_several_notices() -> None:
    """A notice stays small enough to be taken: what does not fit waits for the next, and one alert always fits."""
    wordy = [_wordy(telling(number), MAX_TOLD_CHARACTERS // 3) for number in range(5)]
    composed = compose(news(*wordy), now=NOW)
    assert composed.content is not None
    assert (len(composed.content.alerts), composed.has_more) == (2, True)
    endless = compose(news(_wordy(telling(1), 2 * MAX_TOLD_CHARACTERS)), now=NOW)
    assert endless.content is not None
    assert (len(endless.content.alerts), endless.has_more) == (1, False)


def _wordy(plain: OpenTelling, length: int) -> OpenTelling:
    return replace(plain, alert=replace(plain.alert, annotations={"summary": length * "x"}))


_TELLINGS = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.sampled_from(["critical", "warning", "info"])),
    max_size=250,
)


@given(drawn=_TELLINGS, is_deleted=st.booleans(), kind=st.sampled_from([NoticeKind.ALERT, NoticeKind.REMINDER]))
def test_all_news_are_told_in_the_end_each_once(
    drawn: list[tuple[bool, bool, bool, str]], *, is_deleted: bool, kind: NoticeKind
) -> None:
    """Notice after notice, each fire and each resolve is named once, and nothing is settled that was told as firing."""
    rest = [
        telling(number, is_fire_told=told, is_over=over, suppressions=SILENCE if held else (), severity=severity)
        for number, (told, over, held, severity) in enumerate(drawn)
    ]
    expected = {each.alert.alert_id for each in rest if decide_telling(each, is_channel_deleted=is_deleted) in NEWS}
    named: list[UUID] = []
    for _ in range(4):
        composed = compose(news(*rest, kind=kind, is_channel_deleted=is_deleted), now=NOW, most=100)
        if composed.content is not None:
            assert len(composed.content.alerts) <= 100 + MAX_TOLD_ALONG
            named += [alert.alert_id for alert in composed.content.alerts if alert.is_news]
        for mark in composed.marks:
            if mark.reason in SETTLED and mark.telling.is_fire_told:
                assert mark.telling.is_over
        reasons = {mark.telling.alert.alert_id: mark.reason for mark in composed.marks}
        rest = [
            replace(each, is_fire_told=each.is_fire_told or reasons.get(each.alert.alert_id) is TellReason.FIRED)
            for each in rest
            if reasons.get(each.alert.alert_id) not in SETTLED
        ]
        if not composed.has_more:
            break
    assert sorted(named) == sorted(expected)
    assert len(set(named)) == len(named)


def test_annotations_that_were_sent_in_are_told_as_they_are() -> None:
    """Who sent them has rendered them; here they are no templates."""
    annotations = {"summary": "{{ labels.host }} said {# nothing #}"}
    (alert,) = content(telling(annotations=annotations, evidence={})).alerts
    assert alert.annotations == annotations


def test_all_annotations_of_a_notice_together_are_soon_rendered() -> None:
    """However much each of them does: beyond the notice's budget they are told as they were written."""
    loop = "{% for a in evidence.comparisons %}"
    heavy = 3 * loop + 40 * "{% if 1+1+1+1+1+1+1+1+1+1 == 5 %}x{% endif %}" + 3 * "{% endfor %}"
    annotations = {f"a{number}": heavy for number in range(20)}
    evidence = {"comparisons": [{"value": 1.0}] * 20}
    tellings = [telling(number, annotations=annotations, evidence=evidence) for number in range(1, 101)]
    started = time.process_time()
    assert content(*tellings).alerts[-1].annotations["a19"] == heavy[:4000]
    assert time.process_time() - started < 5
