"""Which names hold secrets, so that their values are shown as `***`; a reference to a secret is shown as it is."""

import re
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from shared.domain.secret.secret_references import mask_literals, names_in

MASK = "***"
_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)?\d*$|pwd|secret|token|credential|signature|cookie|authori[sz]ation|private|session"
    r"|^(sig|auth|code|jwt|sid|key)$|(api|access|account|shared|auth|sas)[-_]?key|[-_]key$|[-_]sig$",
    re.IGNORECASE,
)
_SCHEMES = frozenset({"basic", "bearer", "token"})
"""Words before a credential in `Authorization` (RFC 9110) that are no secret."""


def looks_secret(name: str) -> bool:
    """Whether a value under this name is better not shown; a false alarm only costs a reader the value."""
    return _SECRET_NAME.search(name) is not None


def mask_text(text: str) -> str:
    """`***`, and beside it the references that the text holds: `Bearer {{secret:TOKEN}}` says what is sent."""
    if not names_in(text):
        return MASK
    return mask_literals(text, lambda literal: literal if literal.strip().lower() in _SCHEMES else MASK)


def has_url_secrets(url: str) -> bool:
    """Whether an address holds user information or a query parameter that looks secret, or cannot be taken apart."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    return "@" in parts.netloc or any(looks_secret(each.partition("=")[0]) for each in parts.query.split("&"))


def secret_parts_of(url: str) -> list[str]:
    """The password in an address, as it is and decoded, and the values of query parameters that look secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return []
    values = [
        value for name, _, value in (each.partition("=") for each in parts.query.split("&")) if looks_secret(name)
    ]
    return [part for text in (parts.password or "", *values) for part in (text, unquote(text))]


def mask_url(url: str) -> str:
    """The address without user information, fragment and the values of query parameters that look secret."""
    try:
        parts = urlsplit(url)
        place = _place_of(parts)
    except ValueError:
        return url.partition("?")[0].rpartition("@")[2]
    query = "&".join(_mask_parameter(parameter) for parameter in parts.query.split("&"))
    return urlunsplit((parts.scheme, place, parts.path, query, ""))


def _place_of(parts: SplitResult) -> str:
    """Host and port, and the user information when it refers to secrets; ValueError when the port is none."""
    _ = parts.port
    credentials, _, place = parts.netloc.rpartition("@")
    if not names_in(credentials):
        return place.lower()
    return f"{mask_literals(credentials, _mask_credential)}@{place.lower()}"


def _mask_credential(literal: str) -> str:
    return ":".join(MASK if part else "" for part in literal.split(":"))


def _mask_parameter(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    return f"{name}={mask_text(value)}" if equals and looks_secret(name) else parameter
