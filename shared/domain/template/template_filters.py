"""The filters of templates; each charges what it does to the budget of the template that is rendered."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import orjson
from jinja2 import Undefined
from markupsafe import escape

from shared.domain.template.template_budget import MAX_TEXT, BudgetError, bounded_text, charge, text_of

MAX_INDENT = 20
_TURN = 20


def _items_of(values: object) -> list[Any]:
    """The values of a sequence or mapping, each charged; a text is none."""
    if values is None or isinstance(values, (Undefined, str)) or not isinstance(values, Iterable):
        return []
    items = []
    for item in values:
        charge(1)
        items.append(item)
    return items


def _pairs(mapping: object) -> list[tuple[str, Any]]:
    if not isinstance(mapping, Mapping):
        return []
    return [(name, mapping[name]) for name in sorted(_items_of(mapping))]


def _attribute(value: object, path: str) -> Any:  # noqa: ANN401 - values of a view
    for name in path.split(".")[:5]:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _map(values: object, attribute: str = "") -> list[Any]:
    return [_attribute(value, attribute) for value in _items_of(values)]


def _where(values: object, attribute: str = "", equals: object = None) -> list[Any]:
    return [value for value in _items_of(values) if _attribute(value, attribute) == equals]


def _sort(values: object, attribute: str = "") -> list[Any]:
    items = _items_of(values)
    charge(len(items) * 8)
    return sorted(items, key=lambda value: str(_attribute(value, attribute) if attribute else value)[:200])


def _unique(values: object) -> list[Any]:
    return list(dict.fromkeys(text_of(value) for value in _items_of(values)))


def _join(values: object, separator: str = "") -> str:
    """The values, as many as a text has room for."""
    parts: list[object] = []
    left = MAX_TEXT
    for index, value in enumerate(_items_of(values)):
        part = [separator, value] if index else [value]
        left -= sum(map(len, map(text_of, part)))
        if left < 0:
            break
        parts += part
    return bounded_text(*parts)


def _length(value: object) -> int:
    return len(value) if isinstance(value, (str, Mapping, list, tuple)) else 0


def _replace(value: object, old: str, new: str) -> str:
    text, old, new = text_of(value), text_of(old), text_of(new)
    if not old:
        return text
    if len(text) + text.count(old) * max(len(new) - len(old), 0) > MAX_TEXT:
        raise BudgetError(f"a text would have more than {MAX_TEXT} characters")
    return text.replace(old, new)


def _truncate(value: object, length: int = 255, end: str = "…") -> str:
    kept = max(int(length), 0)
    if isinstance(value, str):
        value = value[: kept + 1]
    text = text_of(value)
    return text if len(text) <= kept else text[:kept] + text_of(end)[:20]


def _indent(value: object, width: int = 4) -> str:
    return _replace(value, "\n", "\n" + " " * min(max(int(width), 0), MAX_INDENT))


def _default(value: object, fallback: object = "") -> object:
    return fallback if value is None or value == "" or isinstance(value, Undefined) else value


def _round(value: object, digits: int = 0) -> float | int | str:
    if not isinstance(value, (int, float)):
        return text_of(value)
    rounded = round(float(value), min(max(int(digits), 0), 10))
    return int(rounded) if rounded.is_integer() and abs(rounded) < MAX_TEXT**3 else rounded


def _number(value: object) -> float | str:
    text = text_of(value)[:40]
    try:
        return float(text)
    except ValueError:
        return ""


def _tojson(value: object) -> str:
    """JSON as text; in HTML it is escaped like any other text."""
    encoded = orjson.dumps(_counted(value), option=orjson.OPT_UTC_Z).decode()
    charge(len(encoded))
    return encoded


def _counted(value: object, depth: int = 0) -> object:
    charge(1)
    if isinstance(value, Undefined):
        return None
    if isinstance(value, str):
        charge(len(value))
        return str(value)
    if isinstance(value, Mapping) and depth < 10:  # noqa: PLR2004 - no view is as deep
        return {str(name): _counted(each, depth + 1) for name, each in value.items()}
    if isinstance(value, (list, tuple)) and depth < 10:  # noqa: PLR2004
        return [_counted(each, depth + 1) for each in value]
    return value


def _turns(values: object, parts: int) -> Iterator[Any]:
    """What a loop of so many parts goes through, each turn charged; a mapping gives its names in order, a text nothing.

    What does not loop costs no more than its own length, however often it is written.
    """
    if values is None or isinstance(values, (Undefined, str)) or not isinstance(values, Iterable):
        return
    for value in sorted(values) if isinstance(values, Mapping) else values:
        charge(_TURN + parts)
        yield value


def _text_filter(change: Callable[[str], str]) -> Callable[[object], str]:
    return lambda value: change(text_of(value))


FILTERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "capitalize": _text_filter(str.capitalize),
        "default": _default,
        "escape": lambda value: escape(text_of(value)),
        "first": lambda values: next(iter(_items_of(values)), None),
        "float": _number,
        "indent": _indent,
        "items": _pairs,
        "join": _join,
        "last": lambda values: next(reversed(_items_of(values)), None),
        "length": _length,
        "lower": _text_filter(str.lower),
        "map": _map,
        "replace": _replace,
        "round": _round,
        "sort": _sort,
        "title": _text_filter(str.title),
        "tojson": _tojson,
        "trim": _text_filter(str.strip),
        "truncate": _truncate,
        "unique": _unique,
        "upper": _text_filter(str.upper),
        "where": _where,
        "_concat": bounded_text,
        "_turns": _turns,
    }
)
"""By name; those with an underscore stand for parts of the language, and people cannot write them."""
