"""Which alerts are wanted: what SQL finds of it, and what is left to be looked at one by one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import msgspec

from shared.domain.alert.alerts import AlertState
from shared.domain.matchers import Matcher, Matchers, MatchOperator
from shared.storage.tables.alerts import OPEN

_SHOWN = f"({OPEN} or fired_at is not null)"
"""Those that ended without having fired are of interest to who asks for them only."""


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts are wanted; an empty field does not narrow. Open at some time from `since` to before `until`."""

    states: frozenset[AlertState] = frozenset()
    severities: frozenset[str] = frozenset()
    rule_id: UUID | None = None
    monitor_id: UUID | None = None
    matchers: Matchers = field(default_factory=Matchers)
    has_fired: bool | None = None
    is_acknowledged: bool | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves any alert out."""
        return self != AlertFilter()

    def lets_through(self, labels: dict[str, str]) -> bool:
        """Whether the labels meet the matchers, of which SQL knows all but the patterns."""
        return self.matchers.matches(labels)


def terms_of(wanted: AlertFilter, *, after: UUID | None = None) -> tuple[str, list[object]]:
    """The conditions on `alerts`, and the statement's values: those older than `after`."""
    terms: list[str] = []
    values: list[object] = []
    for term, *given in _terms_of(wanted, after):
        terms.append(term.format(*[f"${len(values) + place}" for place in range(1, len(given) + 1)]))
        values += given
    return " and ".join(terms), values


def _terms_of(wanted: AlertFilter, after: UUID | None) -> Iterator[tuple[str, *tuple[object, ...]]]:
    yield (_SHOWN,) if wanted.has_fired is None else ("(fired_at is not null) = {}::bool", wanted.has_fired)
    if after is not None:
        yield "alert_id < {}::uuid", after
    if wanted.states:
        yield "state = any({}::text[])", sorted(state.value for state in wanted.states)
    if wanted.severities:
        yield "severity = any({}::text[])", sorted(wanted.severities)
    if wanted.rule_id is not None:
        yield "rule_id = {}::uuid", wanted.rule_id
    if wanted.monitor_id is not None:
        yield "monitor_id = {}::uuid", wanted.monitor_id
    if wanted.is_acknowledged is not None:
        yield "(acknowledged_at is not null) = {}::bool", wanted.is_acknowledged
    if wanted.since is not None:
        yield "(resolved_at is null or resolved_at >= {}::timestamptz)", wanted.since
    if wanted.until is not None:
        yield "started_at < {}::timestamptz", wanted.until
    for term in wanted.matchers.terms:
        yield from _label_terms(term)


def _label_terms(term: Matcher) -> Iterator[tuple[str, *tuple[object, ...]]]:
    """What of a matcher SQL can tell; a label that is not there has the empty value, a pattern is of RE2."""
    found = msgspec.json.encode({term.name: term.value}).decode()
    match term.operator, bool(term.value):
        case MatchOperator.EQUAL, True:
            yield "labels @> {}::jsonb", found
        case MatchOperator.UNEQUAL, True:
            yield "not labels @> {}::jsonb", found
        case MatchOperator.EQUAL, False:
            yield "coalesce(labels->>{}::text, '') = ''", term.name
        case MatchOperator.UNEQUAL, False:
            yield "coalesce(labels->>{}::text, '') <> ''", term.name
