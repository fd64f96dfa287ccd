"""Jinja's immutable sandbox, tightened: nothing can be called, attributes are keys, operators are for numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import ChainableUndefined, Undefined
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from shared.domain.template.template_budget import bounded_text
from shared.domain.template.template_filters import FILTERS

MAX_WHOLE = 2**63

TESTS = frozenset(
    {"defined", "undefined", "none", "in", "==", "eq", "!=", "ne", "<", "lt", "<=", "le", ">", "gt", ">=", "ge"}
)
_OF_A_LOOP = frozenset({"index", "index0", "first", "last", "length"})
_OPERATORS = frozenset({"+", "-", "*", "/", "//", "%", "**"})


class TemplateError(ValueError):
    """A template is none, or did what it may not; the message says what, and where it is known in which line."""


class TightEnvironment(ImmutableSandboxedEnvironment):
    """The environment of people's templates."""

    intercepted_binops = _OPERATORS

    def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401 - values of a view
        """The same as an item: there are no attributes."""
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:  # noqa: ANN401
        """An item of a mapping or a sequence, or nothing."""
        if isinstance(obj, LoopContext):
            return getattr(obj, argument) if argument in _OF_A_LOOP else self.undefined(name=str(argument)[:40])
        if isinstance(obj, Mapping) and isinstance(argument, str) and argument in obj:
            return obj[argument]
        if isinstance(obj, (str, Sequence)) and isinstance(argument, (int, slice)):
            try:
                return obj[argument]
            except (IndexError, ValueError, TypeError):
                pass
        return self.undefined(obj=obj, name=str(argument)[:40])

    def is_safe_callable(self, obj: Any) -> bool:  # noqa: ANN401, ARG002
        """Nothing can be called."""
        return False

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401, ARG002
        """Numbers only, and no large ones; texts can be added."""
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return bounded_text(left, right)
        if operator == "**" or not (_is_number(left) and _is_number(right)):
            raise TemplateError(f"{operator} is for numbers here, and ** for none")
        result = self.binop_table[operator](left, right)
        if abs(result) >= MAX_WHOLE:
            raise TemplateError("a number is too large")
        return result


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _finalize(value: Any) -> Any:  # noqa: ANN401
    """Only what is plain is written out."""
    if value is None or isinstance(value, Undefined):
        return ""
    if isinstance(value, (str, int, float, Markup)):
        return value
    raise TemplateError("a list or a mapping cannot be written out; use join, items or tojson")


def make_environment(*, is_html: bool) -> TightEnvironment:
    """An environment of its own; one for HTML escapes what is written out."""
    environment = TightEnvironment(autoescape=is_html, undefined=ChainableUndefined, finalize=_finalize)
    environment.globals.clear()
    environment.filters.clear()
    environment.filters.update(FILTERS)
    environment.tests = {name: test for name, test in environment.tests.items() if name in TESTS}
    return environment
