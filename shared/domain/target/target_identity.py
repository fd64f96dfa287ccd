"""Which series a target belongs to, which host it burdens, and how it is shown without its secrets."""

import hashlib
from functools import lru_cache
from typing import Any, assert_never
from urllib.parse import SplitResult, urlsplit, urlunsplit

import orjson

from shared.domain.secret.masking import mask_text, mask_url
from shared.domain.secret.secret_references import names_in
from shared.domain.target.dsn import parse_dsn
from shared.domain.target.targets import DatabaseTarget, FileTarget, HttpTarget, Target

_DEFAULT_PORTS = {"http": 80, "https": 443}


def display_name(target: Target) -> str:
    """What people are shown as the target: URL, DSN or path, without secrets."""
    if target.shown_as is not None:
        return target.shown_as
    match target:
        case HttpTarget():
            return mask_url(target.url)
        case DatabaseTarget():
            return str(parse_dsn(target.dsn.get_secret_value()))
        case FileTarget():
            return target.path
        case _:
            assert_never(target)


def host_of(target: Target) -> str | None:
    """The host whose concurrency is bounded; None for what the worker finds on its own machine."""
    match target:
        case HttpTarget():
            return _place_of(target.url)[0]
        case DatabaseTarget():
            return parse_dsn(target.dsn.get_secret_value()).host
        case FileTarget():
            return None
        case _:
            assert_never(target)


def endpoint_of(target: Target) -> str | None:
    """Host and port, `shop.example:443`: what a circuit breaker protects; one dead port is not a dead host."""
    match target:
        case HttpTarget():
            return _place_of(target.url)[1]
        case DatabaseTarget():
            address = parse_dsn(target.dsn.get_secret_value())
            return f"{address.host}:{address.port}"
        case FileTarget():
            return None
        case _:
            assert_never(target)


def identity_of(target: Target) -> bytes:
    """SHA-256 (32 bytes) over what makes a target another series.

    That is its kind, its labels, its address with the user but without a password, and what is asked there: method,
    `Host` header, body, query, pattern. Timeouts, retries, conditions, further headers and credentials are not part of
    it: who tightens a threshold or rotates a token keeps the history.
    """
    asked = {"kind": target.kind, "labels": dict(target.labels), **_question_of(target)}
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).digest()


def mask_target(target: Target) -> dict[str, Any]:
    """The target as JSON with every secret masked but references to them, leaving out what was not given."""
    shown = target.model_dump(mode="json", exclude_unset=True)
    match target:
        case HttpTarget():
            shown["url"] = mask_url(target.url)
            if target.headers:
                shown["headers"] = {name: mask_text(text.get_secret_value()) for name, text in target.headers.items()}
            if target.body is not None:
                shown["body"] = mask_text(target.body)
        case DatabaseTarget():
            shown["dsn"] = mask_dsn(target.dsn.get_secret_value())
        case FileTarget():
            pass
        case _:
            assert_never(target)
    return shown


def mask_dsn(dsn: str) -> str:
    """The DSN without its password, unless that is a reference."""
    address = parse_dsn(dsn)
    if not names_in(address.password):
        return str(address)
    # The user is quoted, so that the first `@` is the one behind it.
    return str(address).replace("@", f":{mask_text(address.password)}@", 1)


def _question_of(target: Target) -> dict[str, Any]:
    match target:
        case HttpTarget():
            hosts = [value.get_secret_value() for name, value in target.headers.items() if name.lower() == "host"]
            return {"url": _series_url(target.url), "method": target.method, "body": target.body, "host": hosts}
        case DatabaseTarget():
            return {"dsn": display_name(target), "query": target.query}
        case FileTarget():
            return {"path": target.path, "pattern": target.pattern}
        case _:
            assert_never(target)


@lru_cache(maxsize=16_384)
def _place_of(url: str) -> tuple[str, str]:
    """The host and the endpoint of a URL."""
    parts = _split(url)
    host = parts.hostname or ""
    return host, f"{host}:{_port_of(parts) or ''}"


def _split(url: str) -> SplitResult:
    """The URL's parts; one that cannot be split has no host, and its collector says why it cannot be dialled."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", url, "", "")


def _port_of(parts: SplitResult) -> int | None:
    try:
        return parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None


def _series_url(url: str) -> str:
    """The URL without password and fragment, its scheme and host in lower case."""
    parts = _split(url)
    credentials, at, location = parts.netloc.rpartition("@")
    user = credentials.partition(":")[0]
    return urlunsplit((parts.scheme.lower(), f"{user}{at}{location.lower()}", parts.path, parts.query, ""))
