"""Making, changing and deleting rules, each change in one transaction; and how many monitors a rule selects."""

import asyncio
from datetime import timedelta
from typing import assert_never
from uuid import UUID

import msgspec
from pydantic import ValidationError

from shared.domain.change_results import (
    Changed,
    Deleted,
    Made,
    NameTaken,
    TooMany,
    Unchanged,
    UnknownId,
    VersionDiffers,
)
from shared.domain.rule.condition_checks import kinds_judged
from shared.domain.rule.rule_changes import (
    CreateRule,
    DeleteRule,
    InvalidRule,
    PatchRule,
    PutRule,
    ReplaceRule,
    RuleChange,
    RuleResult,
)
from shared.domain.rule.rule_documents import (
    RULE_DOCUMENT,
    RuleDocument,
    RuleMistake,
    document_of,
    mistakes_of,
    named_channels,
    patched_document,
)
from shared.domain.rule.rules import MAX_RULES, Rule, RuleSpec
from shared.storage.channel.channel_store import ChannelStore
from shared.storage.database import Database, UnitOfWork
from shared.storage.rule.rule_reading import RuleReading
from shared.storage.rule.rule_store import RuleStore

YIELD_EVERY = 1_000
"""Sets of labels matched in one go, some milliseconds in which nobody else is served."""


class Rules:
    """Changes rules; samples, which their windows look back on, are `kept` for so long."""

    def __init__(self, database: Database, *, kept: timedelta) -> None:
        self._database = database
        self._kept = kept

    async def change(self, change: RuleChange, *, by: str) -> RuleResult:
        """Carry a change out, unless something forbids it.

        Raises:
            StorageUnavailableError: the database is away, nothing is known to be changed.
        """
        try:
            async with self._database.transaction() as work:
                return await _Changing(work, self._kept, by).run(change)
        except _InvalidRuleError as error:
            return InvalidRule(error.mistakes)
        except ValidationError as error:
            return InvalidRule(error)

    async def count_monitors(self, rule: Rule) -> int:
        """How many monitors a rule selects and can judge."""
        async with self._database.transaction() as work:
            found = await RuleReading(work).count_selected(rule.selector, kinds_judged(rule.spec.condition))
        total = 0
        for place, alike in enumerate(found):
            total += alike.count if rule.selector.matches(alike.labels) else 0
            if place % YIELD_EVERY == YIELD_EVERY - 1:
                await asyncio.sleep(0)
        return total


class _InvalidRuleError(Exception):
    def __init__(self, mistakes: tuple[RuleMistake, ...]) -> None:
        super().__init__("the rule is not valid")
        self.mistakes = mistakes


class _Changing:
    """One change within one unit of work."""

    def __init__(self, work: UnitOfWork, kept: timedelta, by: str) -> None:
        self._store = RuleStore(work)
        self._channels = ChannelStore(work)
        self._kept = kept
        self._by = by

    async def run(self, change: RuleChange) -> RuleResult:
        await self._store.lock_all()
        match change:
            case CreateRule():
                return await self._create(change.rule_id, change.document)
            case PutRule():
                rule = await self._store.find_named(change.document.name)
                if rule is None:
                    return await self._create(change.rule_id, change.document)
                return await self._write(rule, change.document)
            case ReplaceRule() | PatchRule() | DeleteRule():
                rule = await self._store.find(change.rule_id)
                return UnknownId() if rule is None else await self._change(rule, change)
            case _:
                assert_never(change)

    async def _change(self, rule: Rule, change: ReplaceRule | PatchRule | DeleteRule) -> RuleResult:
        if change.versions is not None and rule.version not in change.versions:
            return VersionDiffers(rule.version)
        match change:
            case ReplaceRule():
                return await self._write(rule, change.document)
            case PatchRule():
                return await self._write(rule, _patched(rule.spec, change))
            case DeleteRule():
                await self._store.mark_deleted(rule.rule_id)
                return Deleted(rule.rule_id)
            case _:
                assert_never(change)

    async def _create(self, rule_id: UUID, document: RuleDocument) -> RuleResult:
        holder = await self._store.find_named(document.name)
        if holder is not None:
            return NameTaken(holder.rule_id)
        if await self._store.count() >= MAX_RULES:
            return TooMany()
        await self._store.insert(rule_id, await self._checked(document), by=self._by)
        return Made(rule_id)

    async def _write(self, rule: Rule, document: RuleDocument) -> RuleResult:
        spec = await self._checked(document)
        if document_of(spec) == document_of(rule.spec):
            return Unchanged(rule.rule_id)
        if spec.name != rule.spec.name and (holder := await self._store.find_named(spec.name)) is not None:
            return NameTaken(holder.rule_id)
        await self._store.update(rule.rule_id, spec, by=self._by)
        return Changed(rule.rule_id)

    async def _checked(self, document: RuleDocument) -> RuleSpec:
        """The rule that a document says, if it can judge and all whom it is to tell are there, and stay there."""
        spec = document.spec
        mistakes = mistakes_of(spec, kept=self._kept, condition_at=document.condition_at)
        named = list(named_channels(spec))
        there = await self._channels.hold_names(sorted({name for _, name in named}))
        mistakes += [
            RuleMistake(f'there is no channel "{name}"', pointer) for pointer, name in named if name not in there
        ]
        if mistakes:
            raise _InvalidRuleError(tuple(mistakes))
        return spec


def _patched(spec: RuleSpec, change: PatchRule) -> RuleDocument:
    return RULE_DOCUMENT.validate_json(msgspec.json.encode(patched_document(spec, change.patch)))
