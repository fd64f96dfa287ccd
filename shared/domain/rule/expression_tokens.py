"""The words that an expression is made of, each with its place."""

import re
from dataclasses import dataclass
from enum import StrEnum

MAX_EXPRESSION = 2_000
"""Characters."""

_TOKEN = re.compile(
    r"""(?P<number>[+-]?\d[\d.]*(?:[eE][+-]?\d+)?[\d.a-zA-Z]*)
      | (?P<name>[a-zA-Z_][a-zA-Z0-9_.]*)
      | (?P<string>"(?:[^"\\]|\\["\\])*")
      | (?P<sign>>=|<=|==|!=|[><()%,=])""",
    re.VERBOSE | re.ASCII,
)
_SPACE = re.compile(r"\s*")
_ESCAPE = re.compile(r"\\(.)")


class ExpressionError(ValueError):
    """An expression that cannot be read; its message says the column, from 1, and what could stand there."""


class TokenKind(StrEnum):
    """What a word is."""

    NUMBER = "number"
    """With its unit where that stands close: `300`, `5m`, `1h30m`."""
    NAME = "name"
    STRING = "string"
    SIGN = "sign"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """A word and the column, from 1, at which it begins; a string is without its quotes."""

    kind: TokenKind
    text: str
    column: int

    def __str__(self) -> str:
        return "the end" if self.kind is TokenKind.END else f'"{self.text[:40]}"'


def tokens_of(text: str) -> list[Token]:
    """The words of an expression, and its end.

    Raises:
        ExpressionError: there is something that is no word, or the expression is too long.
    """
    if len(text) > MAX_EXPRESSION:
        raise ExpressionError(f"an expression has {MAX_EXPRESSION:,} characters at most")
    tokens: list[Token] = []
    place = _skip_space(text, 0)
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ExpressionError(f"column {place + 1}: {_strange(text[place])}")
        kind = TokenKind(found.lastgroup or "")
        word = found.group()
        tokens.append(Token(kind, unquote(word) if kind is TokenKind.STRING else word, place + 1))
        place = _skip_space(text, found.end())
    return [*tokens, Token(TokenKind.END, "", len(text) + 1)]


def quote(text: str) -> str:
    """Write a string so that `unquote` reads the same one."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquote(text: str) -> str:
    r"""Read a string in double quotes, in which `\\` and `\"` stand for the second character."""
    return _ESCAPE.sub(r"\1", text[1:-1])


def _skip_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return place if found is None else found.end()


def _strange(character: str) -> str:
    if character == '"':
        return r'this string does not end, or has a \ before something else than \ and "'
    return f'"{character}" has no meaning here'
