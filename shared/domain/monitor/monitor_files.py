"""Monitors as code: a YAML file becomes monitors, with defaults and groups; every mistake is told with its place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, to_json

from shared.domain.mistakes import sentence_of
from shared.domain.monitor.monitors import MonitorSpec
from shared.domain.yaml_places import Document, Path, Place, YamlError, read_yaml

MAX_MISTAKES = 100
"""How many mistakes are told at once."""
_EMPTY = "the file is empty; write `monitors: []` where there are to be none"

_FIELDS = frozenset(MonitorSpec.model_fields)
_MERGED = frozenset({"labels", "target"})
"""Where defaults and a monitor's own values are put together key by key; elsewhere its own value stands alone."""


_MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        "missing": "this has to be given",
        "string_type": "this has to be text; write it in quotes",
        "extra_forbidden": "there is no such field",
        "union_tag_not_found": "a target needs its kind: http, database, file or heartbeat",
        "union_tag_invalid": "the kind of a target is http, database, file or heartbeat",
    }
)
"""Sentences for mistakes that people make in files, by the type that pydantic gives them."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong, and where in which file."""

    file: str
    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.place.line}:{self.place.column}: {self.message}"


@dataclass(frozen=True, slots=True)
class WrittenMonitor:
    """A monitor of a file, and where it stands."""

    spec: MonitorSpec
    file: str
    place: Place

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all others: group and name."""
        return self.spec.group, self.spec.name


class MonitorFileError(ValueError):
    """A file has mistakes, up to `MAX_MISTAKES` of them in the order of their lines."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True, slots=True)
class _Raw:
    """A monitor before it is judged: its own values and their path, and the defaults that apply, the nearest last."""

    path: Path
    own: Any
    group: str | None
    defaults: tuple[tuple[Path, Mapping[str, Any]], ...]


class _WrongShapeError(Exception):
    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


def read_monitors(file: str, text: str, variables: Mapping[str, str]) -> list[WrittenMonitor]:
    """Read the monitors of one file, in their order.

    Raises:
        MonitorFileError: all that is wrong, each with its line and column.
    """
    try:
        document = read_yaml(text, variables)
    except YamlError as error:
        raise MonitorFileError([Mistake(file, error.place, str(error))]) from None
    if document.value is None:
        # A file that was cut off must not read as one that wants no monitors: all of its owner's would be deleted.
        raise MonitorFileError([Mistake(file, Place(1, 1), _EMPTY)])
    try:
        raws = list(_list_monitors(document.value))
    except _WrongShapeError as error:
        raise MonitorFileError([Mistake(file, document.place_of(error.path), str(error))]) from None
    written, mistakes = [], []
    for raw in raws:
        try:
            # As the API reads it, so that both say the same of one mistake.
            spec = MonitorSpec.model_validate_json(to_json(_whole(raw), fallback=str))
        except ValidationError as error:
            mistakes += [_mistake(file, document, raw, each) for each in error.errors(include_url=False)]
        else:
            written.append(WrittenMonitor(spec, file, document.place_of(raw.path)))
    if mistakes:
        # One in the defaults is met with each monitor.
        once = sorted(dict.fromkeys(mistakes), key=lambda each: (each.place.line, each.place.column))
        raise MonitorFileError(once[:MAX_MISTAKES])
    return written


def check_names(monitors: Sequence[WrittenMonitor]) -> None:
    """Refuse two monitors of one group and name, also of two files.

    Raises:
        MonitorFileError: each that repeats an earlier one.
    """
    first: dict[tuple[str, str], WrittenMonitor] = {}
    mistakes = []
    for monitor in monitors:
        earlier = first.setdefault(monitor.key, monitor)
        if earlier is not monitor:
            there = f"{earlier.file}:{earlier.place.line}"
            message = (
                f'there is a monitor "{monitor.spec.name}" in the group "{monitor.spec.group}" already, at {there}'
            )
            mistakes.append(Mistake(monitor.file, monitor.place, message))
    if mistakes:
        raise MonitorFileError(mistakes[:MAX_MISTAKES])


def _list_monitors(root: Any) -> Iterator[_Raw]:  # noqa: ANN401 - YAML is any value
    top = _mapping(root, (), allowed={"defaults", "monitors", "groups"})
    defaults = ((("defaults",), _defaults(top, ())),)
    for index, own in enumerate(_sequence(top, ())):
        yield _Raw(("monitors", index), own, None, defaults)
    groups = _mapping(top.get("groups"), ("groups",))
    for name, given in groups.items():
        path: Path = ("groups", name)
        group = _mapping(given, path, allowed={"defaults", "monitors"})
        nearer = (*defaults, ((*path, "defaults"), _defaults(group, path)))
        for index, own in enumerate(_sequence(group, path)):
            yield _Raw((*path, "monitors", index), own, name, nearer)


def _defaults(holder: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    return _mapping(holder.get("defaults"), (*path, "defaults"), allowed=_FIELDS - {"name", "group"})


def _mapping(value: Any, path: Path, *, allowed: frozenset[str] | set[str] | None = None) -> Mapping[str, Any]:  # noqa: ANN401 - YAML is any value
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _WrongShapeError(path, "here belong keys with values")
    for key in value:
        if allowed is not None and key not in allowed:
            raise _WrongShapeError((*path, key), f'"{key}" is not known here; there are {", ".join(sorted(allowed))}')
    return value


def _sequence(holder: Mapping[str, Any], path: Path) -> Sequence[Any]:
    value = holder.get("monitors")
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _WrongShapeError((*path, "monitors"), "here belongs a list of monitors, each begun by a dash")
    return value


def _whole(raw: _Raw) -> Any:  # noqa: ANN401 - YAML is any value
    """The monitor with its defaults; what is no mapping is left for the model to refuse."""
    if not isinstance(raw.own, dict):
        return raw.own
    whole: dict[str, Any] = {} if raw.group is None else {"group": raw.group}
    for values in (*(defaults for _, defaults in raw.defaults), raw.own):
        if "interval" in values or "cron" in values:
            # The nearer of the two kinds of schedule is meant.
            whole = {name: value for name, value in whole.items() if name not in {"interval", "cron"}}
        whole = _merged(whole, values)
    return whole


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**under, **over}
    for name in _MERGED & under.keys() & over.keys():
        if isinstance(under[name], dict) and isinstance(over[name], dict):
            merged[name] = {**under[name], **over[name]}
    return merged


def _mistake(file: str, document: Document, raw: _Raw, error: ErrorDetails) -> Mistake:
    # The kind of a target stands in the place of an error, but not in the file.
    loc = tuple(
        each
        for index, each in enumerate(error["loc"])
        if each != "[key]" and not (index == 1 and error["loc"][0] == "target")
    )
    if "index" in error.get("ctx", {}):
        loc = (*loc, error["ctx"]["index"])
    name = ".".join(str(each) for each in loc if not isinstance(each, int))
    message = _MESSAGES.get(error["type"]) or sentence_of(error)
    return Mistake(file, _place_of(document, raw, loc), f"{name}: {message}" if name else message)


def _place_of(document: Document, raw: _Raw, loc: Path) -> Place:
    """Where a monitor's value stands: with the monitor itself, or with the nearest defaults that it comes from."""
    holders = [raw.path, *(path for path, _ in reversed(raw.defaults))]
    # A condition may stand in the monitor and be judged in its target.
    names = [loc, loc[1:]] if loc[:1] == ("target",) and len(loc) > 1 else [loc]
    for name in names:
        for holder in holders:
            if (*holder, *name) in document.places:
                return document.places[(*holder, *name)]
    return document.place_of((*raw.path, *loc))
