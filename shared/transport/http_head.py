"""The head of an answer of HTTP/1: its status, and its headers as they are told."""

import re
from typing import NamedTuple

HEAD_END = re.compile(rb"\n\r?\n")
"""What ends a head; a bare line feed will do (RFC 9112, 2.2)."""
_FOLDED = re.compile(r"\r?\n[ \t]+")
_STATUS_LINE = re.compile(r"HTTP/(1\.[01])[ \t]([1-9]\d\d)", re.IGNORECASE | re.ASCII)


class Head(NamedTuple):
    """A head as it was read."""

    http_version: str
    status: int
    headers: dict[str, str]


def read_head(raw: bytes) -> Head | None:
    """Read a head without what ends it; None when it is none of HTTP/1.

    It is read as generously as libcurl reads it. A header may go on in a line that begins with a space.
    """
    text = raw.decode("utf-8", "replace")
    if "\n " in text or "\n\t" in text:
        text = _FOLDED.sub(" ", text)
    first, *lines = text.split("\n")
    found = _STATUS_LINE.match(first)
    if found is None or "\0" in text or not all(":" in line for line in lines):
        return None
    return Head(found[1], int(found[2]), read_headers(lines))


def read_headers(lines: list[str]) -> dict[str, str]:
    """The headers in lower case, repeated ones joined by a comma (RFC 9110, 5.3)."""
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            key, said = name.strip().lower(), value.strip()
            found[key] = f"{found[key]}, {said}" if key in found else said
    return found
