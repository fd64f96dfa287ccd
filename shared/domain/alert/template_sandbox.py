"""Templates of people, rendered so that none of them can loop, allocate or reach what it was not given.

Jinja's immutable sandbox, tightened: names come from the view alone, attributes are keys of mappings, nothing can be
called, filters are those listed here, and each piece of work is charged to a budget, so that time and room are bounded
by construction and not by a watch.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import ChainableUndefined, Template, TemplateSyntaxError, Undefined, meta, nodes
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from shared.domain.alert.template_filters import FILTERS, BudgetError, bounded_text, metered

MAX_SOURCE = 20_000
MAX_OUTPUT = 20_000
"""Characters; what is longer is cut off."""
MAX_ASSIGNMENTS = 20
MAX_DEPTH = 40
MAX_WHOLE = 2**63

_FORBIDDEN = (
    nodes.Include,
    nodes.Import,
    nodes.FromImport,
    nodes.Extends,
    nodes.Block,
    nodes.Macro,
    nodes.CallBlock,
    nodes.FilterBlock,
    nodes.AssignBlock,
    nodes.Call,
    nodes.With,
    nodes.ScopedEvalContextModifier,
    nodes.EvalContextModifier,
)
_TESTS = frozenset(
    {"defined", "undefined", "none", "in", "==", "eq", "!=", "ne", "<", "lt", "<=", "le", ">", "gt", ">=", "ge"}
)
_OF_A_LOOP = frozenset({"index", "index0", "first", "last", "length"})
_OPERATORS = frozenset({"+", "-", "*", "/", "//", "%", "**"})

View = Mapping[str, Any]
"""What a template may speak of: texts, numbers, truth values, and mappings and sequences of these."""


class TemplateError(ValueError):
    """A template is none, or did what it may not; the message says what, and where it is known in which line."""


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = _OPERATORS

    def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401 - values of a view
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:  # noqa: ANN401
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

    def is_safe_callable(self, obj: Any) -> bool:  # noqa: ANN401, ARG002 - nothing is
        return False

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401, ARG002
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


def _environment(*, is_html: bool) -> _Environment:
    environment = _Environment(autoescape=is_html, undefined=ChainableUndefined, finalize=_finalize)
    environment.globals.clear()
    environment.filters.clear()
    environment.filters.update(FILTERS)
    environment.tests = {name: test for name, test in environment.tests.items() if name in _TESTS}
    return environment


_TEXT = _environment(is_html=False)
_HTML = _environment(is_html=True)


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
    template = _compile(source, is_html=is_html)
    pieces: list[str] = []
    length = 0
    try:
        with metered():
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
    tree = _meter(_parse(source, environment), environment)
    try:
        return Template.from_code(environment, environment.compile(tree), {})
    except (RecursionError, MemoryError, SyntaxError, TemplateSyntaxError) as error:
        raise TemplateError("the template is nested too deeply") from error


def _parse(source: str, environment: _Environment) -> nodes.Template:
    if len(source) > MAX_SOURCE:
        raise TemplateError(f"a template has at most {MAX_SOURCE} characters")
    try:
        tree = environment.parse(source)
        _check_nodes(tree)
    except TemplateSyntaxError as error:
        raise TemplateError(f"line {error.lineno}: {error.message}") from None
    except RecursionError:
        raise TemplateError("the template is nested too deeply") from None
    return tree


def _check_nodes(tree: nodes.Template) -> None:
    assignments = 0
    stack: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise TemplateError(f"line {node.lineno}: nested too deeply")
        if isinstance(node, _FORBIDDEN):
            raise TemplateError(f"line {node.lineno}: {type(node).__name__.lower()} is not available in templates")
        if isinstance(node, nodes.Filter) and (node.name not in FILTERS or node.name.startswith("_")):
            raise TemplateError(f'line {node.lineno}: there is no filter "{node.name}"; there are {_LISTED_FILTERS}')
        if isinstance(node, nodes.Test) and node.name not in _TESTS:
            raise TemplateError(f'line {node.lineno}: there is no test "{node.name}"')
        if isinstance(node, nodes.For) and node.recursive:
            raise TemplateError(f"line {node.lineno}: a loop cannot be recursive")
        if isinstance(node, (nodes.List, nodes.Tuple, nodes.Dict)) and not _is_plain(node):
            raise TemplateError(f"line {node.lineno}: only constants can stand in a list here")
        assignments += isinstance(node, nodes.Assign)
        if assignments > MAX_ASSIGNMENTS:
            raise TemplateError(f"line {node.lineno}: at most {MAX_ASSIGNMENTS} values can be set")
        stack += [(child, depth + 1) for child in node.iter_child_nodes()]


_LISTED_FILTERS = ", ".join(sorted(name for name in FILTERS if not name.startswith("_")))


def _is_plain(node: nodes.List | nodes.Tuple | nodes.Dict) -> bool:
    """Whether a literal is of constants, or the names that a loop or an assignment unpacks into."""
    if isinstance(node, nodes.Tuple) and node.ctx == "store":
        return True
    return (
        all(isinstance(item, nodes.Const) for item in node.items)
        if not isinstance(node, nodes.Dict)
        else not node.items
    )


def _meter(tree: nodes.Template, environment: _Environment) -> nodes.Template:
    """Let each turn of a loop and each joining of texts be charged."""
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, "_turns", [], [], None, None, lineno=loop.lineno)
    _replace_concats(tree)
    tree.set_environment(environment)
    return tree


def _replace_concats(node: nodes.Node) -> None:
    for name, value in node.iter_fields():
        if isinstance(value, nodes.Node):
            setattr(node, name, _joined(value))
            _replace_concats(getattr(node, name))
        elif isinstance(value, list):
            value[:] = [_joined(each) if isinstance(each, nodes.Node) else each for each in value]
            for each in value:
                if isinstance(each, nodes.Node):
                    _replace_concats(each)


def _joined(node: nodes.Node) -> nodes.Node:
    if not isinstance(node, nodes.Concat):
        return node
    first, *rest = node.nodes
    return nodes.Filter(first, "_concat", rest, [], None, None, lineno=node.lineno)
