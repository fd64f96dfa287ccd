"""Rules as people look for them: lists, versions, what they select and how many of their alerts are open."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.domain.matchers import Matcher, Matchers, MatchOperator
from shared.domain.rule.rule_documents import spec_of
from shared.domain.rule.rules import Rule, RuleSpec
from shared.storage.database import UnitOfWork
from shared.storage.rule.rule_store import RULE_COLUMNS, rule_of

_OWN_COLUMNS = {"monitor": "m.name", "group": "m.group_name", "kind": "m.kind"}
_NAMES_CHANNEL = """
    (r.spec->'channels' @> to_jsonb({0}::text)
     or exists (select from jsonb_array_elements(r.spec->'escalation') step
                where step->'channels' @> to_jsonb({0}::text)))
"""


@dataclass(frozen=True, slots=True)
class RuleFilter:
    """Which rules are wanted; an empty field does not narrow. `name_part` is found in names of any case."""

    name_part: str | None = None
    is_enabled: bool | None = None
    severities: frozenset[str] = frozenset()
    owner: str | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """A rule as it once was."""

    version: int
    spec: RuleSpec
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class AlikeMonitors:
    """Monitors that are alike in some labels, and how many they are; a label that is not there is empty."""

    labels: Mapping[str, str]
    count: int


class RuleReading:
    """Reads rules within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def list_rules(self, wanted: RuleFilter, *, after: str, limit: int) -> list[Rule]:
        """At most `limit` rules in the order of their names, those behind `after`."""
        terms, values = ["r.deleted_at is null"], list[object]()
        for term, value in _terms_of(wanted, after):
            values.append(value)
            terms.append(term.format(f"${len(values)}"))
        rows = await self._work.fetch(
            f"""
            select {RULE_COLUMNS} from alert_rules r where {" and ".join(terms)}
            order by r.name limit ${len(values) + 1}
            """,
            *values,
            limit,
        )
        return [rule_of(row) for row in rows]

    async def list_versions(self, rule_id: UUID, *, before: int | None, limit: int) -> list[RuleVersion]:
        """At most `limit` versions of a rule, the newest first, those before a version; of deleted rules too."""
        rows = await self._work.fetch(
            """
            select version, spec::text as spec, at, by from alert_rule_versions
            where rule_id = $1 and ($2::int8 is null or version < $2) order by version desc limit $3
            """,
            rule_id,
            before,
            limit,
        )
        return [_version_of(row) for row in rows]

    async def find_version(self, rule_id: UUID, version: int) -> RuleVersion | None:
        """A rule as it was in a version; of deleted rules too."""
        rows = await self._work.fetch(
            "select version, spec::text as spec, at, by from alert_rule_versions where rule_id = $1 and version = $2",
            rule_id,
            version,
        )
        return _version_of(rows[0]) if rows else None

    async def count_open_alerts(self, rule_ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
        """How many alerts of each rule are in each state in which they are open."""
        rows = await self._work.fetch(
            """
            select rule_id, state, count(*) as n from alerts
            where rule_id = any($1::uuid[]) and state in ('firing', 'pending') group by rule_id, state
            """,
            list(rule_ids),
        )
        found: dict[UUID, dict[str, int]] = {}
        for row in rows:
            found.setdefault(row.rule_id, {})[row.state] = row.n
        return found

    async def count_selected(self, selector: Matchers, kinds: frozenset[str]) -> list[AlikeMonitors]:
        """How many monitors of the kinds there are, by their values of the labels that the selector names.

        What the database cannot find is left to whoever matches these: a pattern is of RE2.
        """
        names = sorted({term.name for term in selector.terms})
        values: list[object] = [sorted(kinds)]
        columns = [_column_of(name, values) for name in names]
        sought = [f"{_column_of(term.name, values)} = {_place(values, term.value)}" for term in _equal(selector)]
        rows = await self._work.fetch(
            f"""
            select array[{", ".join(columns)}]::text[] as label_values, count(*) as n
            from monitors m where {" and ".join(["m.kind = any($1::text[])", *sought])} group by 1
            """,
            *values,
        )
        return [AlikeMonitors(dict(zip(names, row.label_values, strict=True)), row.n) for row in rows]


def _equal(selector: Matchers) -> list[Matcher]:
    return [term for term in selector.terms if term.operator is MatchOperator.EQUAL]


def _column_of(name: str, values: list[object]) -> str:
    """A label as matchers see it: what a monitor is known by wins over labels of the same name."""
    return _OWN_COLUMNS.get(name) or f"coalesce(m.labels->>{_place(values, name)}, '')"


def _place(values: list[object], value: str) -> str:
    values.append(value)
    return f"${len(values)}::text"


def _version_of(row: Row[Any]) -> RuleVersion:
    return RuleVersion(version=row.version, spec=spec_of(row.spec), at=row.at, by=row.by)


def _terms_of(wanted: RuleFilter, after: str) -> Iterator[tuple[str, object]]:
    if after:
        yield "r.name > {}", after
    if wanted.name_part is not None:
        yield "position(lower({}) in lower(r.name)) > 0", wanted.name_part
    if wanted.is_enabled is not None:
        yield "(r.spec->>'enabled')::bool = {}::bool", wanted.is_enabled
    if wanted.severities:
        yield "r.spec->>'severity' = any({}::text[])", sorted(wanted.severities)
    if wanted.owner is not None:
        yield "r.owner = {}", wanted.owner
    if wanted.channel is not None:
        yield _NAMES_CHANNEL, wanted.channel
