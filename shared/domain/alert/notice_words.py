"""The words of a notice, for people."""

from shared.domain.alert.notices import NoticeContent
from shared.domain.channel.notifications import AlertMessage

MAX_TITLE = 300


def render_notice(content: NoticeContent, *, external_url: str | None = None) -> AlertMessage:
    """The notice as it is told: a line that says what matters, then a line for each alert."""
    fires = sum(alert.status == "firing" for alert in content.alerts) + content.truncated
    state = f"FIRING {fires}" if content.status == "firing" else "RESOLVED"
    names = ", ".join(sorted({alert.name for alert in content.alerts}))
    lines = [f"{alert.status}: {alert.name} {alert.labels.get('monitor', '')}".rstrip() for alert in content.alerts]
    if content.truncated:
        lines.append(f"and {content.truncated} more")
    title = f"[{state}] {names}"[:MAX_TITLE]
    return AlertMessage(title=title, text="\n".join(lines), content=content, external_url=external_url)
