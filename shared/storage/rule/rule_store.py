"""Rules as they are kept: found and written, each change with the version that processes know old rules by."""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row

from shared.domain.rule.rule_documents import document_of, spec_of
from shared.domain.rule.rules import Rule, RuleSpec
from shared.storage.database import UnitOfWork

RULE_COLUMNS = """
    r.rule_id, r.version, r.spec::text as spec, r.owner, r.created_at, r.updated_at, r.created_by
"""
"""Of `alert_rules r`, as `rule_of` reads them."""


class RuleStore:
    """Reads and writes rules within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def lock_all(self) -> None:
        """Keep all rules from being changed by others, before anything else is locked; no name is taken meanwhile."""
        await self._work.run("insert into alerting default values on conflict do nothing")
        await self._work.run("select from alerting for update")

    async def find(self, rule_id: UUID) -> Rule | None:
        """The rule, unless it is deleted."""
        rows = await self._work.fetch(
            f"select {RULE_COLUMNS} from alert_rules r where r.rule_id = $1 and r.deleted_at is null", rule_id
        )
        return rule_of(rows[0]) if rows else None

    async def find_named(self, name: str) -> Rule | None:
        """The rule of a name."""
        rows = await self._work.fetch(
            f"select {RULE_COLUMNS} from alert_rules r where r.name = $1 and r.deleted_at is null", name
        )
        return rule_of(rows[0]) if rows else None

    async def count(self) -> int:
        """How many rules there are."""
        rows = await self._work.fetch("select count(*) as n from alert_rules where deleted_at is null")
        return int(rows[0].n)

    async def insert(self, rule_id: UUID, spec: RuleSpec, *, by: str) -> None:
        """Make a rule, of a name that is free; all rules are locked."""
        await self._work.run(
            "insert into alert_rules (rule_id, name, spec, created_by) values ($1, $2, $3::text::jsonb, $4)",
            rule_id,
            spec.name,
            _json_of(spec),
            by,
        )
        await self._note(rule_id, by=by)

    async def update(self, rule_id: UUID, spec: RuleSpec, *, by: str) -> None:
        """Write what a rule is now; all rules are locked."""
        await self._work.run(
            """
            update alert_rules set name = $2, spec = $3::text::jsonb, version = version + 1, updated_at = now()
            where rule_id = $1
            """,
            rule_id,
            spec.name,
            _json_of(spec),
        )
        await self._note(rule_id, by=by)

    async def mark_deleted(self, rule_id: UUID) -> None:
        """Give a rule's name free; its alerts are ended by upkeep, which knows the new version by `applied_version`."""
        await self._work.run(
            "update alert_rules set deleted_at = now(), version = version + 1, updated_at = now() where rule_id = $1",
            rule_id,
        )
        await self._announce()

    async def _note(self, rule_id: UUID, *, by: str) -> None:
        await self._work.run(
            """
            insert into alert_rule_versions (rule_id, version, spec, by)
            select rule_id, version, spec, $2 from alert_rules where rule_id = $1
            """,
            rule_id,
            by,
        )
        await self._announce()

    async def _announce(self) -> None:
        await self._work.run("update alerting set rules_version = rules_version + 1")


def rule_of(row: Row[Any]) -> Rule:
    """The rule in a row of `RULE_COLUMNS`."""
    return Rule(
        rule_id=row.rule_id,
        version=row.version,
        spec=spec_of(row.spec),
        owner=row.owner,
        created_at=row.created_at,
        updated_at=row.updated_at,
        created_by=row.created_by,
    )


def _json_of(spec: RuleSpec) -> str:
    return msgspec.json.encode(document_of(spec)).decode()
