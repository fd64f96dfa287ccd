"""Which monitors are wanted, and the SQL that finds them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from shared.domain.monitor.selectors import LabelSelector
from shared.domain.monitor.standing import MonitorState
from shared.storage.monitor.uptime_sql import STATE_NOW


@dataclass(frozen=True, slots=True)
class MonitorFilter:
    """Which monitors are wanted; an empty field does not narrow. `name_part` is found in names of any case."""

    labels: LabelSelector = field(default_factory=LabelSelector)
    group: str | None = None
    kinds: frozenset[str] = frozenset()
    states: frozenset[MonitorState] = frozenset()
    owner: str | None = None
    name_part: str | None = None
    is_paused: bool | None = None


def terms_of(wanted: MonitorFilter, *, now: datetime, after: tuple[str, str] | None = None) -> tuple[str, list[object]]:
    """The conditions on `monitors m` and `monitor_states s`, and the statement's values: `now` is `$1`.

    Only what narrows is among them.
    """
    terms: list[str] = ["$1::timestamptz is not null"]
    values: list[object] = [now]
    for term, *given in _terms_of(wanted, after):
        places = [f"${len(values) + place}" for place in range(1, len(given) + 1)]
        terms.append(term.format(*places))
        values += given
    return " and ".join(terms), values


def _terms_of(wanted: MonitorFilter, after: tuple[str, str] | None) -> Iterator[tuple[str, *tuple[object, ...]]]:
    if after is not None:
        yield "(m.group_name, m.name) > ({}::text, {}::text)", *after
    if wanted.group is not None:
        yield "m.group_name = {}", wanted.group
    if wanted.kinds:
        yield "m.kind = any({}::text[])", sorted(wanted.kinds)
    if wanted.states:
        yield f"{STATE_NOW} = any({{}}::int2[])", sorted(state.code for state in wanted.states)
    if wanted.owner is not None:
        yield "m.owner = {}", wanted.owner
    if wanted.name_part is not None:
        yield "position(lower({}) in lower(m.name)) > 0", wanted.name_part
    if wanted.is_paused is not None:
        yield "(m.paused_at is not null) = {}::bool", wanted.is_paused
    yield from _label_terms(wanted.labels)


def _label_terms(selector: LabelSelector) -> Iterator[tuple[str, *tuple[object, ...]]]:
    if selector.equal:
        yield "m.labels @> {}::jsonb", _json(dict(selector.equal))
    if selector.present:
        yield "m.labels ?& {}::text[]", list(selector.present)
    if selector.absent:
        yield "not m.labels ?| {}::text[]", list(selector.absent)
    for name, value in selector.unequal:
        yield "not m.labels @> {}::jsonb", _json({name: value})


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
