"""Messages as Slack takes them; pure."""

from collections.abc import Mapping
from typing import Any

from shared.domain.channel.notifications import AlertMessage, Message
from shared.domain.notice.notices import NoticeContent

MAX_SECTION = 3_000
"""The most characters of a block; Slack refuses the whole message that has more."""
MAX_SECTIONS = 4
COLOURS = {"critical": "#d00000", "warning": "#e8a200", "info": "#2f80ed"}
RESOLVED = "#2eb67d"
_PLAIN = "#808080"
_SEVERITIES = ("critical", "warning", "info")

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def write_slack(message: Message) -> dict[str, Any]:
    """The message: its title, and beside a bar in the colour of the worst severity its text."""
    title = escape(message.title)
    sections = [_section(part) for part in _parts(message.text)]
    if isinstance(message, AlertMessage) and message.external_url:
        sections.append({"type": "context", "elements": [{"type": "mrkdwn", "text": escape(message.external_url)}]})
    if not sections:
        return {"text": title}
    colour = _colour(message.content) if isinstance(message, AlertMessage) else _PLAIN
    return {"text": f"*{title}*", "attachments": [{"color": colour, "fallback": title, "blocks": sections}]}


def escape(text: str) -> str:
    """The text with the three characters that Slack's markup is made of as it asks for them to be written."""
    return text.translate(_ESCAPES)


def _colour(content: NoticeContent) -> str:
    if content.status != "firing":
        return RESOLVED
    severities = {alert.severity for alert in content.alerts if alert.status == "firing"}
    worst = next((severity for severity in _SEVERITIES if severity in severities), "warning")
    return COLOURS[worst]


def _section(text: str) -> Mapping[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _parts(text: str) -> list[str]:
    """The text in as many blocks as it needs, cut at the ends of lines; what is too much is left out, and that said."""
    parts: list[str] = []
    part = ""
    for line in escape(text).splitlines():
        cut = _cut(line)
        if part and len(part) + 1 + len(cut) > MAX_SECTION:
            parts.append(part)
            part = ""
        part = f"{part}\n{cut}" if part else cut
    parts = [each for each in (*parts, part) if each.strip()]
    return parts if len(parts) <= MAX_SECTIONS else [*parts[:MAX_SECTIONS], "…"]


def _cut(line: str) -> str:
    """A line that fits into a block, no escape cut in half."""
    if len(line) <= MAX_SECTION:
        return line
    kept = line[: MAX_SECTION - 1]
    start, end = kept.rfind("&"), kept.rfind(";")
    return (kept[:start] if start > end else kept) + "…"
