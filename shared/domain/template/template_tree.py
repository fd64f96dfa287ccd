"""What may stand in a template, and where its work is charged; both on the tree that Jinja parses."""

from jinja2 import nodes

from shared.domain.template.template_environment import TESTS, TemplateError, TightEnvironment
from shared.domain.template.template_filters import FILTERS

MAX_ASSIGNMENTS = 20
MAX_DEPTH = 40

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
    nodes.Pow,
    nodes.With,
    nodes.ScopedEvalContextModifier,
    nodes.EvalContextModifier,
)


def check_tree(tree: nodes.Template) -> None:
    """Refuse what could loop, allocate or lead out.

    Raises:
        TemplateError: it says what, and in which line.
    """
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
        if isinstance(node, nodes.Test) and node.name not in TESTS:
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


def meter_tree(tree: nodes.Template, environment: TightEnvironment) -> nodes.Template:
    """Let each turn of a loop, by what stands in it, and each joining of texts be charged."""
    for loop in list(tree.find_all(nodes.For)):
        turned = loop.body if loop.test is None else [loop.test, *loop.body]
        parts = nodes.Const(sum(map(_count_parts, turned)), lineno=loop.lineno)
        loop.iter = nodes.Filter(loop.iter, "_turns", [parts], [], None, None, lineno=loop.lineno)
    _replace_concats(tree)
    tree.set_environment(environment)
    return tree


def _count_parts(node: nodes.Node) -> int:
    """The names, values and operators in a part of a template; those of a loop in it are counted with its own turns."""
    inner = [node.iter, *node.else_] if isinstance(node, nodes.For) else node.iter_child_nodes()
    return isinstance(node, nodes.Expr) + sum(map(_count_parts, inner))


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
