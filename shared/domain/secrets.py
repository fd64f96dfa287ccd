"""Which targets hold secrets, which secrets they name, and the targets with the secrets filled in."""

from collections.abc import Mapping
from typing import Any, assert_never
from urllib.parse import quote

from shared.domain.dsn import parse_dsn
from shared.domain.masking import MASK, has_url_secrets
from shared.domain.secret_references import names_in, replace_references
from shared.domain.targets import FILLED_FIELDS, DatabaseTarget, FileTarget, HttpTarget, Target

_ADDRESSES = frozenset({"url", "dsn"})
"""Fields in which a value is percent-encoded (RFC 3986), so that it stays in its place."""

SHORTEST_SCRUBBED = 4
"""A shorter value is found in too many innocent words."""


class SecretMissingError(LookupError):
    """A target names secrets that there are not; the message names them."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"there is no secret named {', '.join(names)}; PUT /api/v1/secrets/{names[0]} sets it")
        self.names = names


def has_secrets(target: Target) -> bool:
    """Whether the target has to be sealed: a password in its address, a header, a body.

    Which header or body is a secret cannot be told, so each one counts.
    """
    match target:
        case HttpTarget():
            return bool(target.headers) or target.body is not None or has_url_secrets(target.url)
        case DatabaseTarget():
            return bool(parse_dsn(target.dsn.get_secret_value()).password)
        case FileTarget():
            return False
        case _:
            assert_never(target)


def secret_names_of(target: Target) -> tuple[str, ...]:
    """The names of the secrets that the target refers to by `{{secret:NAME}}`, sorted."""
    return tuple(sorted({name for text in _texts_of(target) for name in names_in(text)}))


def _texts_of(target: Target) -> list[str]:
    """The texts in which references are filled in."""
    match target:
        case HttpTarget():
            headers = [value.get_secret_value() for value in target.headers.values()]
            return [target.url, *headers, *([] if target.body is None else [target.body])]
        case DatabaseTarget():
            return [target.dsn.get_secret_value()]
        case FileTarget():
            return []
        case _:
            assert_never(target)


def fill(target: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """The target, JSON as Python values, with each `{{secret:NAME}}` replaced by its value.

    Within `url` and `dsn` a value is percent-encoded.

    Raises:
        SecretMissingError: a name is not among the values.
    """
    missing: set[str] = set()

    def value_of(name: str) -> str:
        if name not in values:
            missing.add(name)
        return values.get(name, "")

    def encoded_value_of(name: str) -> str:
        return quote(value_of(name), safe="")

    filled = dict(target)
    for field in FILLED_FIELDS & target.keys():
        match target[field]:
            case str() as text:
                filled[field] = replace_references(text, encoded_value_of if field in _ADDRESSES else value_of)
            case Mapping() as texts:
                filled[field] = {name: replace_references(text, value_of) for name, text in texts.items()}
    if missing:
        raise SecretMissingError(sorted(missing))
    return filled


def scrub(text: str, values: Mapping[str, str]) -> str:
    """The text without the values, which a server may have sent back to us."""
    for value in values.values():
        if len(value) >= SHORTEST_SCRUBBED:
            text = text.replace(value, MASK).replace(quote(value, safe=""), MASK)
    return text
