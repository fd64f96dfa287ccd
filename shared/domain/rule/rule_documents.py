"""A rule as people write it: its condition in one line or as JSON, and what is wrong with it beyond its form; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from shared.domain.matchers import parse_matchers
from shared.domain.merge_patch import merge_patch
from shared.domain.notice.notice_words import check_annotation
from shared.domain.rule.condition_checks import ConditionError, check_condition, kinds_selected
from shared.domain.rule.conditions import Condition
from shared.domain.rule.expression_tokens import MAX_EXPRESSION
from shared.domain.rule.expressions import format_expression, parse_expression
from shared.domain.rule.plain_conditions import plain_condition
from shared.domain.rule.rules import RuleFields, RuleSpec
from shared.domain.template.template_environment import TemplateError

OWN_LABELS = frozenset({"alertname", "group", "kind", "monitor", "severity"})
"""What alerts are told apart by; a rule's labels may not say otherwise."""


def _check_expression(text: str) -> str:
    parse_expression(text)
    return text


Expression = Annotated[
    str,
    Field(
        max_length=MAX_EXPRESSION,
        examples=["p95(duration_ms, 5m) > 300"],
        json_schema_extra={"format": "rule-expression"},
    ),
    AfterValidator(_check_expression),
]


_GIVEN: JsonDict = {
    "oneOf": [
        {"required": ["expression"], "properties": {"expression": {"type": "string"}, "condition": {"type": "null"}}},
        {"required": ["condition"], "properties": {"condition": {"type": "object"}, "expression": {"type": "null"}}},
    ]
}


class RuleDocument(RuleFields):
    """A rule as people write it; its condition is given as `expression` or as `condition`."""

    model_config = ConfigDict(json_schema_extra=_GIVEN)

    expression: Annotated[Expression | None, Field(description="The condition in one line.")] = None
    condition: Annotated[Condition | None, Field(description="The condition as JSON.")] = None

    @model_validator(mode="after")
    def _has_condition(self) -> Self:
        if (self.expression is None) == (self.condition is None):
            raise PydanticCustomError("rule_condition", "give expression or condition, one of the two")
        return self

    @property
    def condition_at(self) -> str:
        """The pointer to where the condition is given."""
        return "/condition" if self.expression is None else "/expression"

    @property
    def spec(self) -> RuleSpec:
        """The rule as it is kept, its condition in the plainest form."""
        fields = {name: getattr(self, name) for name in RuleFields.model_fields}
        condition = None if self.condition is None else plain_condition(self.condition)
        return RuleSpec(**fields, condition=condition or parse_expression(self.expression or ""))


RULE_DOCUMENT: TypeAdapter[RuleDocument] = TypeAdapter(RuleDocument)
_SPEC: TypeAdapter[RuleSpec] = TypeAdapter(RuleSpec)
_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)


@dataclass(frozen=True, slots=True)
class RuleMistake:
    """What is wrong with a rule, and the pointer to where (RFC 6901)."""

    detail: str
    pointer: str


def document_of(spec: RuleSpec) -> dict[str, Any]:
    """The rule as JSON, with its condition as JSON."""
    document: dict[str, Any] = _SPEC.dump_python(spec, mode="json", by_alias=True)
    return {**document, "condition": _CONDITION.dump_python(spec.condition, mode="json", exclude_none=True)}


def spec_of(document: bytes | str) -> RuleSpec:
    """The rule that `document_of` wrote."""
    return _SPEC.validate_json(document)


def shown_of(spec: RuleSpec) -> dict[str, Any]:
    """The rule as JSON, with its condition in one line too."""
    return {**document_of(spec), "expression": format_expression(spec.condition)}


def patched_document(spec: RuleSpec, patch: Mapping[str, Any]) -> dict[str, Any]:
    """The rule's document changed by a merge patch (RFC 7396); a condition is replaced whole, by an expression too.

    Merged, one of another kind would have the members of both.
    """
    document = document_of(spec)
    if patch.get("expression") is not None or patch.get("condition") is not None:
        del document["condition"]
    patched: dict[str, Any] = merge_patch(document, patch)
    return patched


def mistakes_of(spec: RuleSpec, *, kept: timedelta, condition_at: str = "/condition") -> list[RuleMistake]:
    """What keeps a rule from judging as it says, beyond its form; samples are `kept` for so long."""
    return [
        *_condition_mistakes(spec, kept, condition_at),
        *_label_mistakes(spec),
        *_annotation_mistakes(spec),
        *_step_mistakes(spec),
    ]


def named_channels(spec: RuleSpec) -> Iterator[tuple[str, str]]:
    """The pointer and the name of each channel that the rule names."""
    for place, name in enumerate(spec.channels):
        yield f"/channels/{place}", name
    for step_place, step in enumerate(spec.escalation):
        for place, name in enumerate(step.channels):
            yield f"/escalation/{step_place}/channels/{place}", name


def _condition_mistakes(spec: RuleSpec, kept: timedelta, place: str) -> Iterator[RuleMistake]:
    kinds = kinds_selected(parse_matchers(spec.selector))
    if not kinds:
        yield RuleMistake("there is no kind of monitor that it selects", "/selector")
        return
    try:
        check_condition(spec.condition, kinds=kinds, kept=kept)
    except ConditionError as error:
        yield RuleMistake(str(error), place)


def _label_mistakes(spec: RuleSpec) -> Iterator[RuleMistake]:
    for name in sorted(OWN_LABELS & spec.labels.keys()):
        yield RuleMistake(
            f'an alert\'s label "{name}" comes from its rule or monitor: name yours otherwise', f"/labels/{name}"
        )


def _annotation_mistakes(spec: RuleSpec) -> Iterator[RuleMistake]:
    for name, source in spec.annotations.items():
        try:
            check_annotation(source)
        except TemplateError as error:
            yield RuleMistake(str(error), f"/annotations/{name}")


def _step_mistakes(spec: RuleSpec) -> Iterator[RuleMistake]:
    for place, (earlier, later) in enumerate(pairwise(spec.escalation), start=1):
        if later.after <= earlier.after:
            yield RuleMistake("a step comes later than the one before it", f"/escalation/{place}/after")
