"""Which targets hold secrets, which secrets they name, and the targets with the secrets filled in."""

from collections.abc import Iterable, Mapping
from typing import assert_never
from urllib.parse import quote

from pydantic import SecretStr

from shared.domain.secret.masking import MASK, has_url_secrets, looks_secret, secret_parts_of
from shared.domain.secret.secret_references import names_in, replace_references
from shared.domain.target.dsn import parse_dsn
from shared.domain.target.target_identity import display_name
from shared.domain.target.targets import DatabaseTarget, FileTarget, HttpTarget, Target

SHORTEST_SCRUBBED = 6
"""A shorter value is found in too many innocent words."""


class SecretMissingError(LookupError):
    """A target names secrets that there are not, or that cannot be read; the message names them."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"no secret named {', '.join(names)} can be read; PUT /api/v1/secrets/{names[0]} sets it")
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


def fill(target: Target, values: Mapping[str, str]) -> Target:
    """The target with each `{{secret:NAME}}` replaced by its value, shown under the name that it had.

    Within an address a value is percent-encoded (RFC 3986), so that it stays in its place.

    Raises:
        SecretMissingError: a name is not among the values.
    """
    missing = [name for name in secret_names_of(target) if name not in values]
    if missing:
        raise SecretMissingError(missing)
    return target.model_copy(update=_filled_fields(target, values)).named(display_name(target))


def _filled_fields(target: Target, values: Mapping[str, str]) -> dict[str, object]:
    def plain(text: str) -> str:
        return replace_references(text, values.__getitem__)

    def encoded(text: str) -> str:
        return replace_references(text, lambda name: quote(values[name], safe=""))

    match target:
        case HttpTarget():
            headers = {name: SecretStr(plain(text.get_secret_value())) for name, text in target.headers.items()}
            body = None if target.body is None else plain(target.body)
            return {"url": encoded(target.url), "headers": headers, "body": body}
        case DatabaseTarget():
            return {"dsn": SecretStr(encoded(target.dsn.get_secret_value()))}
        case FileTarget():
            return {}
        case _:
            assert_never(target)


def secret_texts_of(target: Target) -> list[str]:
    """What is not told on when a server sends it back to us: passwords, secret headers and parameters, the body."""
    match target:
        case HttpTarget():
            headers = (text.get_secret_value() for name, text in target.headers.items() if looks_secret(name))
            # A server may repeat the credential without the scheme before it.
            credentials = [part for text in headers for part in (text, text.rpartition(" ")[2])]
            return [*secret_parts_of(target.url), *credentials, *([] if target.body is None else [target.body])]
        case DatabaseTarget():
            return [parse_dsn(target.dsn.get_secret_value()).password]
        case FileTarget():
            return []
        case _:
            assert_never(target)


def scrub(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, as they are, percent-encoded, or cut off by an ellipsis."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) < SHORTEST_SCRUBBED:
            continue
        for written in {secret, quote(secret, safe="")}:
            text = _without_beginning(text.replace(written, MASK), written)
    return text


def _without_beginning(text: str, secret: str) -> str:
    """The text without a beginning of the secret just before an ellipsis, where what was said has been cut."""
    if "…" not in text:
        return text
    for length in range(len(secret) - 1, SHORTEST_SCRUBBED - 1, -1):
        text = text.replace(f"{secret[:length]}…", f"{MASK}…")
    return text
