"""YAML read with the place of every value, so that whatever is wrong is told with line and column."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

MAX_VALUES = 2_000_000
"""Aliases are read where they stand; a file that would become more values than this is refused."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
"""Read as the text it is written as; nothing here is a date."""

_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\{)")

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A line and a column, both counted from 1."""

    line: int
    column: int


class YamlError(ValueError):
    """The text is no YAML, or names a variable that is not set; the message says what, `place` where."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True, slots=True)
class Document:
    """The values of a document, and where each of them stands by its path of keys and indexes."""

    value: Any
    places: Mapping[Path, Place]

    def place_of(self, path: Path) -> Place:
        """Where the value at a path stands, or the nearest one that it would belong to."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(1, 1))


def read_yaml(text: str, variables: Mapping[str, str]) -> Document:
    """Read one document; `${NAME}` and `${NAME:-default}` in its values are filled in, `$$` is a dollar sign.

    Variables are filled into values and never into the text, so that none can change what the file says.

    Raises:
        YamlError: what is wrong and where.
    """
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        reader = _Reader(loader, variables)
        value = None if root is None else reader.read(root, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(1, 1) if mark is None else Place(mark.line + 1, mark.column + 1)
        raise YamlError(error.problem or "this is no YAML", place) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError("there is a character in it that YAML does not allow", Place(line, 1)) from None
    finally:
        loader.dispose()
    return Document(value, reader.places)


class _Reader:
    """Walks the nodes of one document."""

    def __init__(self, loader: Any, variables: Mapping[str, str]) -> None:  # noqa: ANN401 - the library's are untyped
        self._loader = loader
        self._variables = variables
        self._open: set[int] = set()
        self.places: dict[Path, Place] = {}

    def read(self, node: yaml.Node, path: Path) -> Any:  # noqa: ANN401 - YAML is any value
        """The value of a node, and of those below it."""
        self.places[path] = place = _place_of(node)
        if len(self.places) > MAX_VALUES:
            raise YamlError(f"the file becomes more than {MAX_VALUES} values", place)
        if isinstance(node, yaml.ScalarNode):
            return self._read_scalar(node)
        if id(node) in self._open:
            raise YamlError("the alias stands within what it is the alias of", place)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.read(each, (*path, index)) for index, each in enumerate(node.value)]
            return self._read_mapping(node, path)
        finally:
            self._open.discard(id(node))

    def _read_mapping(self, node: Any, path: Path) -> dict[str, Any]:  # noqa: ANN401 - the library's are untyped
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise YamlError("a key has to be a word", _place_of(key))
            if key.value in seen:
                raise YamlError(f'the key "{key.value}" stands here twice', _place_of(key))
            seen.add(key.value)
        self._loader.flatten_mapping(node)
        # What is merged in by `<<` stands first, so that the mapping's own keys win.
        return {key.value: self.read(value, (*path, key.value)) for key, value in node.value}

    def _read_scalar(self, node: yaml.ScalarNode) -> Any:  # noqa: ANN401 - YAML is any value
        tag, text = node.tag, node.value
        if "$" in text:
            text = _VARIABLE.sub(lambda match: self._fill(match, node), text)
            if not node.style:
                # A number in a variable is the number that would have stood there.
                tag = self._loader.resolve(yaml.ScalarNode, text, (True, False))
        if tag == _TIMESTAMP:
            return text
        try:
            filled = yaml.ScalarNode(tag, text, node.start_mark, node.end_mark, node.style)
            return self._loader.construct_object(filled, deep=True)
        except ValueError:
            raise YamlError(f'"{text[:40]}" cannot be read as its tag says', _place_of(node)) from None

    def _fill(self, match: re.Match[str], node: yaml.ScalarNode) -> str:
        name, default = match.groups()
        if match.group() == "$$":
            return "$"
        if name is None:
            raise YamlError("a variable is written ${NAME} or ${NAME:-default}; a dollar sign is $$", _place_of(node))
        value = self._variables.get(name, default)
        if value is None:
            raise YamlError(f"the variable {name} is not set; ${{{name}:-…}} gives it a default", _place_of(node))
        return value


def _place_of(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
