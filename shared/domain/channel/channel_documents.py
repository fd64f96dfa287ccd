"""A channel as JSON: with its secrets for whoever keeps it, and how masked values find back to them; pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from shared.domain.channel.channel_identity import mask_channel
from shared.domain.channel.channels import ChannelOptions
from shared.domain.channel.notifications import Channel
from shared.domain.monitor.target_documents import WrongPlaceError
from shared.domain.secret.masking import MASK

_PLACES = ("url", "api_url")
"""The fields that say where a channel's secrets are sent, in the kinds that have them."""


def document_of(channel: Channel) -> dict[str, Any]:
    """The channel as JSON, secrets and all, without what was not given."""
    return {name: _revealed(getattr(channel, name)) for name in sorted(channel.model_fields_set)}


def options_document(options: ChannelOptions) -> dict[str, Any]:
    """How a channel is told as JSON, without what was not given, so that a later default reaches it."""
    return options.model_dump(mode="json", exclude_unset=True)


def keep_secrets(document: Mapping[str, Any], kept: Channel) -> dict[str, Any]:
    """The document with the kept channel's secrets where it has what is shown in their place.

    Raises:
        WrongPlaceError: something masked stands for nothing that is kept.
    """
    shown, secret = mask_channel(kept), document_of(kept)
    return {
        name: _unmasked(value, shown[name], secret[name], f"/{name}") if name in shown and name in secret else value
        for name, value in document.items()
    }


def check_unmasked(channel: Channel) -> None:
    """Refuse what is masked and stands for nothing that is kept.

    Raises:
        WrongPlaceError: a secret has to be given.
    """
    for pointer, value in _texts(document_of(channel), ""):
        if MASK in value:
            raise WrongPlaceError("*** stands for what is kept, and nothing is kept here: write it anew", pointer)


def check_place(channel: Channel, kept: Channel) -> None:
    """Refuse to send secrets that are kept to another host than before: they would no longer be write-only.

    Raises:
        WrongPlaceError: a secret has to be given anew.
    """
    if _origins_of(channel) == _origins_of(kept):
        return
    document, shown = document_of(channel), mask_channel(kept)
    for name, value in document_of(kept).items():
        if name not in _PLACES and shown.get(name) != value and document.get(name) == value:
            raise WrongPlaceError("the channel's address is another one: write this anew", f"/{name}")


def _revealed(value: object) -> Any:  # noqa: ANN401 - JSON is any value
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, list | tuple):
        return [_revealed(each) for each in value]
    if isinstance(value, Mapping):
        return {name: _revealed(each) for name, each in value.items()}
    if isinstance(value, BaseModel):
        return {name: _revealed(getattr(value, name)) for name in sorted(value.model_fields_set)}
    return value


def _unmasked(value: object, shown: object, secret: object, pointer: str) -> object:
    if value == shown:
        return secret
    if isinstance(value, list) and isinstance(shown, list) and isinstance(secret, list):
        known = _known_items(value, shown, secret)
        return [_unmasked(each, *known(place, each), f"{pointer}/{place}") for place, each in enumerate(value)]
    if value != secret and isinstance(value, str) and MASK in value:
        raise WrongPlaceError("*** stands for what is kept, and this is not how that is shown: write it anew", pointer)
    return value


def _known_items(
    value: list[object], shown: list[object], secret: list[object]
) -> Callable[[int, object], tuple[object, object]]:
    """How an item was shown and what it stands for: found by its place where nothing was taken out, else by its text.

    Of several that are shown alike nobody could say which one was meant.
    """
    is_grown = value[: len(shown)] == shown

    def find(place: int, item: object) -> tuple[object, object]:
        if is_grown:
            return (shown[place], secret[place]) if place < len(shown) else (None, None)
        return (item, secret[shown.index(item)]) if shown.count(item) == 1 else (None, None)

    return find


def _texts(value: object, pointer: str) -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield pointer, value
        case dict():
            for name, each in value.items():
                yield from _texts(each, f"{pointer}/{name}")
        case list():
            for place, each in enumerate(value):
                yield from _texts(each, f"{pointer}/{place}")


def _origins_of(channel: Channel) -> list[tuple[str, str]]:
    return [_origin_of(getattr(channel, name)) for name in _PLACES if hasattr(channel, name)]


def _origin_of(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", url
    return parts.scheme.lower(), parts.netloc.rpartition("@")[2].lower()
