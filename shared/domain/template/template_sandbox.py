"""Templates of people, rendered so that none of them can loop, allocate or reach what it was not given.

Jinja's immutable sandbox, tightened: names come from the view alone, attributes are keys of mappings, nothing can be
called, filters are those listed, and each piece of work is charged to a budget, so that time and room are bounded by
construction and not by a watch.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Template, TemplateSyntaxError, meta, nodes

from shared.domain.template.template_budget import BudgetError, charge, metered
from shared.domain.template.template_environment import TemplateError, TightEnvironment, make_environment
from shared.domain.template.template_tree import check_tree, meter_tree

MAX_SOURCE = 20_000
MAX_OUTPUT = 20_000
"""Characters; what is longer is cut off."""

View = Mapping[str, Any]
"""What a template may speak of: texts, numbers, truth values, and mappings and sequences of these."""

_TEXT = make_environment(is_html=False)
_HTML = make_environment(is_html=True)


def check_template(source: str, *, names: Iterable[str], is_html: bool = False) -> None:
    """Refuse a template that cannot be rendered safely, or that speaks of a name that no view has.

    Raises:
        TemplateError: it is one; the message says what is wrong, and in which line.
    """
    known = frozenset(names)
    tree = _parse(source, _HTML if is_html else _TEXT)
    unknown = sorted(meta.find_undeclared_variables(tree) - known)
    if unknown:
        raise TemplateError(f'there is no "{unknown[0][:40]}"; a template may speak of {", ".join(sorted(known))}')
    _compile(source, is_html=is_html)


def render(source: str, view: View, *, is_html: bool = False) -> str:
    """Render; what is not there is empty, and what is longer than `MAX_OUTPUT` is cut off.

    Raises:
        TemplateError: it cannot be rendered.
    """
    pieces: list[str] = []
    length = 0
    try:
        with metered():
            charge(len(source))
            template = _compile(source, is_html=is_html)
            for piece in template.generate(view):
                pieces.append(piece)
                length += len(piece)
                if length >= MAX_OUTPUT:
                    break
    except TemplateError:
        raise
    except BudgetError as error:
        raise TemplateError(str(error)) from None
    except Exception as error:  # noqa: BLE001 - whatever a person's template makes of what it is given
        raise TemplateError(f"the template failed: {type(error).__name__}: {str(error)[:200]}") from None
    return "".join(pieces)[:MAX_OUTPUT]


@lru_cache(maxsize=1000)
def _compile(source: str, *, is_html: bool) -> Template:
    environment = _HTML if is_html else _TEXT
    tree = meter_tree(_parse(source, environment), environment)
    try:
        return Template.from_code(environment, environment.compile(tree), {})
    except (RecursionError, MemoryError, SyntaxError, TemplateSyntaxError) as error:
        raise TemplateError("the template is nested too deeply") from error


def _parse(source: str, environment: TightEnvironment) -> nodes.Template:
    if len(source) > MAX_SOURCE:
        raise TemplateError(f"a template has at most {MAX_SOURCE} characters")
    try:
        tree = environment.parse(source)
        check_tree(tree)
    except TemplateSyntaxError as error:
        raise TemplateError(f"line {error.lineno}: {error.message}") from None
    except RecursionError:
        raise TemplateError("the template is nested too deeply") from None
    return tree
