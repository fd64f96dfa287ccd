"""Rules as people look for them: lists, versions, what they select and how many of their alerts are open."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.domain.alert.matchers import Matchers
from shared.domain.alert.rule_documents import spec_of
from shared.domain.alert.rules import Rule, RuleSpec
from shared.storage.alert.matcher_sql import SEEN_LABELS, plain_terms_of
from shared.storage.alert.rule_store import RULE_COLUMNS, rule_of
from shared.storage.database import UnitOfWork

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

        What the database cannot find is left out only by whoever matches these: a pattern is of RE2.
        """
        names = sorted({term.name for term in selector.terms})
        rows = await self._work.fetch(
            f"""
            select array(select coalesce(l.labels->>name, '') from unnest($3::text[]) with ordinality as n (name, place)
                         order by place) as label_values,
                   count(*) as n
            from monitors m cross join lateral (select {SEEN_LABELS} as labels) l
            where m.kind = any($1::text[]) and l.labels @> $2::text::jsonb group by 1
            """,
            sorted(kinds),
            plain_terms_of(selector),
            names,
        )
        return [AlikeMonitors(dict(zip(names, row.label_values, strict=True)), row.n) for row in rows]


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
