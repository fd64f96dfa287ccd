"""What alerts that are sent in do, decided."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.alert.alert_changes import fingerprint_of_labels
from shared.domain.alert.alerts import Reason, Transition
from shared.domain.alert.inbound import (
    InboundAct,
    InboundAlert,
    InboundPlan,
    OpenInbound,
    expire_inbound,
    plan_inbound,
    severity_of,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LASTS = 5 * MINUTE
LABELS = {"alertname": "down", "host": "db-1"}
IDS = count(100)
OPEN = OpenInbound(UUID(int=7), NOW - 60 * MINUTE)


def plan(*alerts: InboundAlert, opened: Mapping[bytes, OpenInbound] | None = None) -> InboundPlan:
    return plan_inbound(alerts, opened or {}, now=NOW, lasts=LASTS, new_id=lambda: UUID(int=next(IDS)))


def opened(labels: Mapping[str, str] = LABELS) -> dict[bytes, OpenInbound]:
    return {fingerprint_of_labels(labels): OPEN}


@pytest.mark.parametrize(
    ("starts_at", "since"),
    [(None, NOW), (NOW - 9 * MINUTE, NOW - 9 * MINUTE), (NOW + MINUTE, NOW)],
    ids=["unsaid", "past", "ahead"],
)
def test_an_alert_fires_when_it_is_heard_of(starts_at: datetime | None, since: datetime) -> None:
    """It has begun when it says so, but not in the future."""
    decided = plan(InboundAlert(LABELS, starts_at=starts_at))
    [change] = decided.changes
    assert (change.transition, change.at, change.since, change.is_new) == (Transition.FIRE, NOW, since, True)
    assert change.subject is not None
    assert (change.subject.name, change.subject.expires_at) == ("down", NOW + LASTS)
    assert change.subject.fingerprint == fingerprint_of_labels(LABELS)


@pytest.mark.parametrize(
    ("ends_at", "is_resolved", "act", "expires_at"),
    [
        (None, None, InboundAct.REPEATED, NOW + LASTS),
        (NOW + MINUTE, None, InboundAct.REPEATED, NOW + MINUTE),
        (NOW, None, InboundAct.RESOLVED, None),
        (NOW - MINUTE, None, InboundAct.RESOLVED, None),
        (NOW + MINUTE, True, InboundAct.RESOLVED, None),
        (NOW - MINUTE, False, InboundAct.REPEATED, NOW + LASTS),
    ],
)
def test_its_end_or_its_status_says_whether_it_is_over(
    ends_at: datetime | None,
    is_resolved: bool | None,  # noqa: FBT001 - a parameter of the test
    act: InboundAct,
    expires_at: datetime | None,
) -> None:
    """A status goes before an end, which a webhook writes as it likes."""
    decided = plan(InboundAlert(LABELS, ends_at=ends_at, is_resolved=is_resolved), opened=opened())
    assert decided.acts == (act,)
    assert [repeat.expires_at for repeat in decided.repeats] == ([] if expires_at is None else [expires_at])


def test_it_is_resolved_when_it_says_but_not_before_it_began() -> None:
    """Clocks of two machines differ."""
    moments = {NOW - MINUTE: NOW - MINUTE, NOW - 90 * MINUTE: OPEN.started_at}
    for ends_at, expected in moments.items():
        [change] = plan(InboundAlert(LABELS, ends_at=ends_at), opened=opened()).changes
        assert (change.alert_id, change.reason, change.at) == (OPEN.alert_id, Reason.SENT_RESOLVED, expected)


def test_what_is_not_repeated_ends_when_it_should_have_been() -> None:
    """Not when that is noticed."""
    change = expire_inbound(OPEN, NOW - MINUTE)
    assert (change.transition, change.reason, change.at) == (Transition.RESOLVE, Reason.EXPIRED, NOW - MINUTE)


@pytest.mark.parametrize(
    ("said", "severity"),
    [("critical", "critical"), ("INFO", "info"), ("warning", "warning"), ("page", "warning"), ("", "warning")],
)
def test_a_severity_of_others_is_a_warning(said: str, severity: str) -> None:
    """Ours are taken in any case."""
    assert severity_of({"severity": said}) == severity


SENT = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([-1, 1, None])), max_size=12)


@given(sent=SENT, at_once=st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_alerts_sent_together_do_what_they_would_one_by_one(sent: list[tuple[str, int | None]], at_once: int) -> None:
    """Also when the same one comes twice in a request, and is over in between."""
    alerts = [
        InboundAlert({"alertname": name}, ends_at=None if end is None else NOW + end * MINUTE) for name, end in sent
    ]
    firing: dict[bytes, OpenInbound] = {}
    acts: list[InboundAct] = []
    for first in range(0, len(alerts), at_once):
        decided = plan(*alerts[first : first + at_once], opened=firing)
        acts += decided.acts
        for change in decided.changes:
            if change.subject is not None:
                firing[change.subject.fingerprint] = OpenInbound(change.alert_id, change.since)
            else:
                firing = {key: each for key, each in firing.items() if each.alert_id != change.alert_id}
    expected: list[InboundAct] = []
    standing: set[str] = set()
    for name, end in sent:
        if end == -1:
            expected.append(InboundAct.RESOLVED if name in standing else InboundAct.IGNORED)
            standing.discard(name)
        else:
            expected.append(InboundAct.REPEATED if name in standing else InboundAct.FIRED)
            standing.add(name)
    assert acts == expected
    assert set(firing) == {fingerprint_of_labels({"alertname": name}) for name in standing}
