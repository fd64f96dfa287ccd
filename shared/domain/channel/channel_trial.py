"""What a channel is told when somebody asks whether it works; pure."""

from datetime import datetime, timedelta
from uuid import UUID

from shared.domain.alert.alert_changes import fingerprint_of_labels
from shared.domain.alert.alerts import AlertState, Severity
from shared.domain.notice.notices import NoticeContent, NoticeKind, ToldAlert

TRIAL_NAME = "TocsinTest"
"""The `alertname` of the alert that a test tells; nobody keeps it."""
TRIAL_TRIES = 1
TRIAL_PRIORITY = 9
"""Somebody waits for it."""
TRIAL_STALE_AFTER = timedelta(minutes=5)
"""A test that was not begun by then is of no use to who asked."""


def trial_content(notice_id: UUID, *, receiver: str, now: datetime) -> NoticeContent:
    """A notice of one alert of the least severity, which says that it is a test."""
    labels = {"alertname": TRIAL_NAME, "channel": receiver, "severity": Severity.INFO.value}
    annotations = {"summary": f"This is a test of the channel {receiver}. There is nothing to be done."}
    alert = ToldAlert(
        alert_id=notice_id,
        status=AlertState.FIRING.value,
        is_news=True,
        name=TRIAL_NAME,
        severity=Severity.INFO.value,
        labels=labels,
        annotations=annotations,
        starts_at=now,
        ends_at=None,
        fingerprint=fingerprint_of_labels(labels | {"notice": str(notice_id)}).hex(),
        reason="test",
        evidence={},
    )
    return NoticeContent(
        kind=NoticeKind.TEST,
        status=AlertState.FIRING.value,
        receiver=receiver,
        group_key=str(notice_id),
        group_labels={},
        common_labels=labels,
        common_annotations=annotations,
        alerts=(alert,),
        truncated=0,
        number=1,
        composed_at=now,
    )
