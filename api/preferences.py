"""What a client asks for by header: `Prefer` (RFC 7240), entity tags (RFC 9110), idempotency keys."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from api import problem_kinds
from api.problems import ProblemError

MAX_WAIT_SECONDS = 30
"""The longest a request is held; proxies cut at 60 s."""

ENTITY_TAGS = r'^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$'

_WAIT = re.compile(r"[0-9]{1,9}")
_QUOTED_KEY = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"')
_BARE_KEY = re.compile(r"[!#-~][!-~]{0,254}")
KEY_PATTERN = r'^([!#-~][!-~]{0,254}|"([ !#-\[\]-~]|\\["\\]){1,255}")$'


@dataclass(frozen=True, slots=True)
class Preferences:
    """The preferences we know; `wait_seconds` is already cut to what the server grants."""

    wait_seconds: int | None = None
    respond_async: bool = False

    @property
    def applied(self) -> bytes:
        """What `Preference-Applied` says, empty when there is nothing to say."""
        parts = []
        if self.respond_async:
            parts.append("respond-async")
        if self.wait_seconds is not None:
            parts.append(f"wait={self.wait_seconds}")
        return ", ".join(parts).encode()


NONE = Preferences()


def parse_prefer(header: bytes | None) -> Preferences:
    """Read `Prefer`; what is unknown or malformed is ignored and the first of two wins, as RFC 7240 has it."""
    if not header:
        return NONE
    found: dict[str, str] = {}
    for part in header.decode("latin-1").split(","):
        name, _, value = part.split(";")[0].partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"'))
    wait = found.get("wait", "")
    return Preferences(
        wait_seconds=min(int(wait), MAX_WAIT_SECONDS) if _WAIT.fullmatch(wait) else None,
        respond_async="respond-async" in found,
    )


def joined_header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """All lines of a header as one list (RFC 9110, 5.3)."""
    return b", ".join(value for key, value in headers if key == name) or None


def is_match(header: bytes, etag: bytes) -> bool:
    """Whether one of the entity tags in `If-None-Match` is `etag`; a weak one counts (RFC 9110, 13.1.2)."""
    if header == etag:
        return True
    return any(tag.strip().removeprefix(b"W/") in {etag, b"*"} for tag in header.split(b","))


def is_strong_match(header: bytes, etag: bytes) -> bool:
    """Whether one of the entity tags in `If-Match` is `etag`; a weak one never is (RFC 9110, 13.1.1).

    Raises:
        ProblemError: the header is no list of entity tags.
    """
    if not re.fullmatch(ENTITY_TAGS, header.decode("latin-1").strip()):
        raise ProblemError(
            problem_kinds.MALFORMED_REQUEST, 'If-Match is * or entity tags in double quotes, such as "abc-1".'
        )
    return any(tag.strip() in {etag, b"*"} for tag in header.split(b","))


def parse_idempotency_key(header: bytes | None) -> str | None:
    """Read `Idempotency-Key`: a structured-field string, or bare as Stripe's clients send it.

    Raises:
        ProblemError: it is neither, or longer than 255 characters.
    """
    if header is None:
        return None
    text = header.decode("latin-1").strip()
    quoted = _QUOTED_KEY.fullmatch(text)
    if quoted:
        return re.sub(r"\\(.)", r"\1", quoted.group(1))
    if _BARE_KEY.fullmatch(text):
        return text
    raise ProblemError(
        problem_kinds.MALFORMED_REQUEST,
        "Idempotency-Key is 1 to 255 printable ASCII characters, best in double quotes; a UUID does well.",
    )
