"""What is asked for of rules, one change each, and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from shared.domain.change_results import Done, NotDone
from shared.domain.rule.rule_documents import RuleDocument, RuleMistake


@dataclass(frozen=True, slots=True)
class CreateRule:
    """Make a rule whose name is free."""

    rule_id: UUID
    document: RuleDocument


@dataclass(frozen=True, slots=True)
class PutRule:
    """Make the rule of the document's name, or make it as it is said; a new one gets the id."""

    rule_id: UUID
    document: RuleDocument


@dataclass(frozen=True, slots=True)
class ReplaceRule:
    """Make a rule as it is said; None of `versions` allows any."""

    rule_id: UUID
    document: RuleDocument
    versions: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class PatchRule:
    """Change fields by a merge patch (RFC 7396); None of `versions` allows any."""

    rule_id: UUID
    patch: Mapping[str, Any]
    versions: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class DeleteRule:
    """Judge by a rule no longer; None of `versions` allows any."""

    rule_id: UUID
    versions: frozenset[int] | None = None


RuleChange = CreateRule | PutRule | ReplaceRule | PatchRule | DeleteRule


@dataclass(frozen=True, slots=True)
class InvalidRule:
    """It would be no rule, or none that could judge; what is wrong says where."""

    error: ValidationError | tuple[RuleMistake, ...]


RuleNotDone = NotDone | InvalidRule
RuleResult = Done | RuleNotDone
