"""Notices for tests, as they are frozen when they are composed."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.domain.notice.notices import NoticeContent, NoticeKind, ToldAlert

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def comparison(value: float) -> dict[str, object]:
    """What a rule was judged by."""
    return {
        "expression": "p95(duration_ms, 5m)",
        "value": value,
        "op": ">",
        "threshold": 300.0,
        "samples": 30,
        "verdict": "met",
    }


def told(number: int, status: str = "firing", name: str = "down") -> ToldAlert:
    """An alert of a rule on the monitor `shop-<number>`; it fired at `START`."""
    return ToldAlert(
        alert_id=UUID(int=number),
        status=status,
        is_news=True,
        name=name,
        severity="critical",
        labels={"alertname": name, "severity": "critical", "monitor": f"shop-{number}", "group": "web"},
        annotations={"summary": "nobody <b>answers</b>"},
        starts_at=START,
        ends_at=START + timedelta(minutes=7, seconds=3) if status == "resolved" else None,
        fingerprint="ab12",
        reason="met",
        evidence={"comparisons": [comparison(412.5)]},
    )


def content(*alerts: ToldAlert, truncated: int = 0) -> NoticeContent:
    """The first notice of a group, composed an hour later."""
    is_firing = any(alert.status == "firing" for alert in alerts)
    return NoticeContent(
        kind=NoticeKind.ALERT,
        status="firing" if is_firing else "resolved",
        receiver="ops",
        group_key="g",
        group_labels={"alertname": "down"},
        common_labels={"alertname": "down"},
        common_annotations={},
        alerts=alerts,
        truncated=truncated,
        number=1,
        composed_at=START + timedelta(hours=1),
    )
