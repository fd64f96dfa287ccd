"""Rules as they are kept."""

from uuid import UUID, uuid4

import pytest

from shared.domain.rule.expressions import parse_expression
from shared.domain.rule.rules import EscalationStep, RuleSpec
from shared.storage.database import Database
from shared.storage.rule.rule_reading import RuleFilter, RuleReading
from shared.storage.rule.rule_store import RuleStore

SPEC = RuleSpec(name="slow", condition=parse_expression("p95(duration_ms, 5m) > 300 recover 250"))


async def _insert(database: Database, spec: RuleSpec) -> UUID:
    rule_id = uuid4()
    async with database.transaction() as work:
        store = RuleStore(work)
        await store.lock_all()
        await store.insert(rule_id, spec, by="tests")
    return rule_id


async def _rules_version(database: Database) -> int:
    async with database.transaction() as work:
        rows = await work.fetch("select rules_version from alerting")
    return int(rows[0].rules_version) if rows else 0


async def test_a_rule_is_kept_as_it_was_said(database: Database) -> None:
    """What is read is what was written, durations and numbers too."""
    rule_id = await _insert(database, SPEC)
    async with database.transaction() as work:
        rule = await RuleStore(work).find(rule_id)
    assert rule is not None
    assert (rule.spec, rule.version, rule.created_by) == (SPEC, 1, "tests")


async def test_each_change_is_a_version_and_is_announced(database: Database) -> None:
    """Made, changed and deleted: processes learn of each, and what a rule was stays known."""
    rule_id = await _insert(database, SPEC)
    versions = [await _rules_version(database)]
    changed = SPEC.model_copy(update={"enabled": False})
    async with database.transaction() as work:
        await RuleStore(work).update(rule_id, changed, by="somebody")
    versions.append(await _rules_version(database))
    async with database.transaction() as work:
        await RuleStore(work).mark_deleted(rule_id)
    versions.append(await _rules_version(database))
    assert versions == sorted(set(versions))
    async with database.transaction() as work:
        assert await RuleStore(work).find(rule_id) is None
        kept = await RuleReading(work).list_versions(rule_id, before=None, limit=10)
        rows = await work.fetch("select version, applied_version from alert_rules")
    assert [(each.version, each.spec, each.by) for each in kept] == [(2, changed, "somebody"), (1, SPEC, "tests")]
    assert rows[0].applied_version < rows[0].version


async def test_nothing_is_announced_that_is_not_written(database: Database) -> None:
    """The announcement is part of the change: both are undone together."""
    await _insert(database, SPEC)
    before = await _rules_version(database)
    async with database.transaction() as work:
        await RuleStore(work).insert(uuid4(), SPEC.model_copy(update={"name": "other"}), by="tests")
        await work.connection.rollback()
    assert await _rules_version(database) == before


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (RuleFilter(), ["down", "late", "slow"]),
        (RuleFilter(name_part="LO"), ["slow"]),
        (RuleFilter(is_enabled=False), ["late"]),
        (RuleFilter(severities=frozenset({"critical", "info"})), ["down"]),
        (RuleFilter(channel="ops"), ["down"]),
        (RuleFilter(channel="boss"), ["late"]),
        (RuleFilter(owner="files"), []),
    ],
)
async def test_rules_are_found(database: Database, wanted: RuleFilter, names: list[str]) -> None:
    """By part of the name, switch, severity, owner and whom they tell, by steps too, in the order of names."""
    down = parse_expression("state == down")
    await _insert(database, SPEC)
    await _insert(database, RuleSpec(name="down", condition=down, severity="critical", channels=["ops"]))
    steps = [EscalationStep.model_validate({"after": "5m", "channels": ["boss"]})]
    await _insert(database, RuleSpec(name="late", condition=down, enabled=False, escalation=steps))
    async with database.transaction() as work:
        found = await RuleReading(work).list_rules(wanted, after="", limit=10)
        behind = await RuleReading(work).list_rules(wanted, after="late", limit=10)
    assert [rule.spec.name for rule in found] == names
    assert [rule.spec.name for rule in behind] == [name for name in names if name > "late"]
