"""Which names hold secrets, so that their values are shown as `***`."""

import re
from urllib.parse import SplitResult, urlsplit, urlunsplit

MASK = "***"
_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)?\d*$|pwd|secret|token|credential|signature|cookie|authori[sz]ation|private|session"
    r"|^(sig|auth|code|jwt|sid|key)$|(api|access|account|shared|auth|sas)[-_]?key|[-_]key$|[-_]sig$",
    re.IGNORECASE,
)


def looks_secret(name: str) -> bool:
    """Whether a value under this name is better not shown; a false alarm only costs a reader the value."""
    return _SECRET_NAME.search(name) is not None


def mask_url(url: str) -> str:
    """The address without user information, fragment and the values of query parameters that look secret."""
    try:
        parts = urlsplit(url)
        host = _host_and_port(parts)
    except ValueError:
        return url.partition("?")[0].rpartition("@")[2]
    query = "&".join(_mask_parameter(parameter) for parameter in parts.query.split("&"))
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def _host_and_port(parts: SplitResult) -> str:
    """The network location without user information; ValueError when its port is none."""
    _ = parts.port
    return parts.netloc.rpartition("@")[2].lower()


def _mask_parameter(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    return f"{name}={MASK}" if equals and looks_secret(name) else parameter
