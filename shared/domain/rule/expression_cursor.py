"""Goes over an expression's words one by one, and says what could stand where something else does."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from shared.domain.durations import parse_duration
from shared.domain.mistakes import sentence_of
from shared.domain.rule.expression_numbers import UNIT_WORDS, Unit, read_value
from shared.domain.rule.expression_tokens import ExpressionError, Token, TokenKind, tokens_of

ModelT = TypeVar("ModelT", bound=BaseModel)


class ExpressionCursor:
    """A place between two words of an expression; whatever does not fit raises `ExpressionError` with its column."""

    def __init__(self, text: str) -> None:
        """Raises `ExpressionError` where something is no word at all."""
        self._tokens = tokens_of(text)
        self._place = 0

    @property
    def next(self) -> Token:
        """The word that comes."""
        return self._tokens[self._place]

    @property
    def after_next(self) -> Token:
        """The word behind that one."""
        return self._tokens[min(self._place + 1, len(self._tokens) - 1)]

    def advance(self) -> Token:
        """Pass the word that comes."""
        token = self.next
        self._place = min(self._place + 1, len(self._tokens) - 1)
        return token

    def take(self, text: str) -> bool:
        """Pass this word, if it comes."""
        is_there = self.next.text == text and self.next.kind in {TokenKind.NAME, TokenKind.SIGN}
        if is_there:
            self.advance()
        return is_there

    def expect(self, text: str, *others: str) -> None:
        """Pass this word, which has to come; `others` could have stood there too."""
        if not self.take(text):
            self.refuse(text, *others)

    def word(self, words: Sequence[str]) -> str:
        """Pass one of these words."""
        if self.next.kind is not TokenKind.NAME or self.next.text not in words:
            self.refuse(*words)
        return self.advance().text

    def name(self, description: str) -> str:
        """Pass a name of any kind."""
        if self.next.kind is not TokenKind.NAME:
            self.refuse(description)
        return self.advance().text

    def window(self, *examples: str) -> timedelta:
        """Pass a duration."""
        token = self.next
        if token.kind is not TokenKind.NUMBER:
            self.refuse(f"a duration, such as {' or '.join(examples)}")
        self.advance()
        try:
            return parse_duration(token.text)
        except ValueError as error:
            raise error_at(token, str(error)) from None

    def value(self, unit: Unit) -> float:
        """Pass a number, in this unit or with another of its kind."""
        token = self.next
        if token.kind is not TokenKind.NUMBER:
            self.refuse("a number")
        text = self.advance().text
        if self.next.kind is TokenKind.NAME and self.next.text in UNIT_WORDS:
            text += self.advance().text
        if unit is Unit.PERCENT:
            self.take("%")
        try:
            return read_value(text, unit)
        except ValueError as error:
            raise error_at(token, str(error)) from None

    def refuse(self, *expected: str) -> NoReturn:
        """Say that the word that comes cannot stand here, and what could; a description has a space in it."""
        words = [word if " " in word else f'"{word}"' for word in expected]
        wanted = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
        raise error_at(self.next, f"{self.next} cannot stand here; expected {wanted}")


def build(start: Token, model: type[ModelT], **fields: object) -> ModelT:
    """Make what was read from `start` on; a model's mistake is told of there."""
    try:
        return model(**fields)
    except ValidationError as error:
        raise error_at(start, sentence_of(error.errors(include_url=False, include_input=False)[0])) from None


def error_at(token: Token, message: str) -> ExpressionError:
    """A mistake at a word."""
    return ExpressionError(f"column {token.column}: {message}")
