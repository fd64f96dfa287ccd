"""What others say, made fit for PostgreSQL, which keeps neither NUL nor halves of surrogate pairs in text."""

from collections.abc import Mapping
from typing import Any

import msgspec


def storable(text: str) -> str:
    """The text without NUL, and with `?` for each character that has no UTF-8."""
    return text.replace("\0", "").encode(errors="replace").decode()


def storable_or_none(text: str | None) -> str | None:
    """The same for a text that may be missing."""
    return None if text is None else storable(text)


def storable_json(value: Any) -> Any:  # noqa: ANN401 - JSON is any value
    """The same for all strings in a value of JSON."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(str(name)): storable_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable_json(each) for each in value]
    return value


def json_or_none(value: Mapping[str, Any] | None) -> str | None:
    """JSON as text, fit to be kept, of a value that may be missing."""
    return None if value is None else msgspec.json.encode(storable_json(value)).decode()
