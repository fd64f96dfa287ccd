"""Reads expressions by recursive descent: `or` of `and` of single conditions, with parentheses."""

import re
from typing import Any

from shared.domain.forms import AGGREGATE
from shared.domain.rule.conditions import Absent, AllOf, AnyOf, Cel, Comparison, Condition, Operator, Slo, StateIs
from shared.domain.rule.expression_cursor import ExpressionCursor, build, error_at
from shared.domain.rule.expression_numbers import Unit, unit_of
from shared.domain.rule.expression_tokens import Token, TokenKind
from shared.domain.rule.figures import Aggregate, Figure
from shared.domain.target.outcome import Outcome

MAX_PARENTHESES = 20
"""How deep they may stand in each other, those that change nothing counted too."""

_AGGREGATE = re.compile(AGGREGATE)
_FIRST_WORDS = ("state", "absent", "slo", "cel", "(", *(aggregate.value for aggregate in Aggregate), "p95")
_OUTCOMES = tuple(outcome.value for outcome in Outcome)
_OPERATORS = tuple(operator.value for operator in Operator)
_STATES = ("up", "degraded", "down", "no_data")


class ExpressionReader:
    """Reads one expression, from its first word to its last."""

    def __init__(self, text: str) -> None:
        """Raises `ExpressionError` where something is no word at all."""
        self._cursor = ExpressionCursor(text)
        self._parentheses = 0

    def read(self) -> Condition:
        """The condition that is written.

        Raises:
            ExpressionError: it cannot be read.
        """
        condition = self._any_of()
        if self._cursor.next.kind is not TokenKind.END:
            self._cursor.refuse("and", "or", "the end")
        return condition

    def _any_of(self) -> Condition:
        start, parts = self._cursor.next, [self._all_of()]
        while self._cursor.take("or"):
            parts.append(self._all_of())
        flat = [inner for part in parts for inner in (part.any if isinstance(part, AnyOf) else [part])]
        return flat[0] if len(flat) == 1 else build(start, AnyOf, any=flat)

    def _all_of(self) -> Condition:
        start, parts = self._cursor.next, [self._single()]
        while self._cursor.take("and"):
            parts.append(self._single())
        flat = [inner for part in parts for inner in (part.all if isinstance(part, AllOf) else [part])]
        return flat[0] if len(flat) == 1 else build(start, AllOf, all=flat)

    def _single(self) -> Condition:
        start = self._cursor.next
        if self._cursor.take("("):
            return self._in_parentheses(start)
        match start.text if start.kind is TokenKind.NAME else None:
            case "state":
                return self._state_is()
            case "absent":
                return self._absent()
            case "slo":
                return self._slo()
            case "cel":
                return self._cel()
            case None:
                self._cursor.refuse(*_FIRST_WORDS)
        return self._comparison()

    def _in_parentheses(self, start: Token) -> Condition:
        self._parentheses += 1
        if self._parentheses > MAX_PARENTHESES:
            raise error_at(start, f"parentheses stand {MAX_PARENTHESES} deep at most")
        inner = self._any_of()
        self._cursor.expect(")", "and", "or")
        self._parentheses -= 1
        return inner

    def _state_is(self) -> Condition:
        start = self._cursor.advance()
        if self._cursor.take("=="):
            return build(start, StateIs, state=[self._cursor.word(_STATES)])
        if not self._cursor.take("in"):
            self._cursor.refuse("==", "in")
        self._cursor.expect("(")
        states = [self._cursor.word(_STATES)]
        while self._cursor.take(","):
            states.append(self._cursor.word(_STATES))
        self._cursor.expect(")", ",")
        return build(start, StateIs, state=list(dict.fromkeys(states)))

    def _absent(self) -> Condition:
        start = self._cursor.advance()
        self._cursor.expect("(")
        number = self._cursor.next
        if number.text.isdigit() and self._cursor.after_next.text in {"interval", "intervals"}:
            self._cursor.advance()
            self._cursor.advance()
            self._cursor.expect(")")
            return build(start, Absent, intervals=int(number.text[:9]))
        window = self._cursor.window("5m", "3 intervals")
        self._cursor.expect(")")
        return build(start, Absent, absent=window)

    def _slo(self) -> Condition:
        start = self._cursor.advance()
        self._cursor.expect("(")
        objective = self._cursor.value(Unit.PERCENT)
        self._cursor.expect(")")
        return build(start, Slo, slo=objective)

    def _cel(self) -> Condition:
        start = self._cursor.advance()
        self._cursor.expect("(")
        if self._cursor.next.kind is not TokenKind.STRING:
            self._cursor.refuse('an expression in quotes, such as "slow > 300.0"')
        cel, let = self._cursor.advance().text, dict[str, Figure]()
        while self._cursor.take(","):
            name = self._cursor.next
            if name.kind is not TokenKind.NAME or name.text in let:
                self._cursor.refuse("a new name for a figure")
            self._cursor.advance()
            self._cursor.expect("=")
            let[name.text] = self._figure()
        self._cursor.expect(")", ",")
        return build(start, Cel, cel=cel, let=let)

    def _comparison(self) -> Condition:
        start, figure = self._cursor.next, self._figure()
        if self._cursor.next.text not in _OPERATORS:
            self._cursor.refuse(*_OPERATORS)
        operator = Operator(self._cursor.advance().text)
        value = self._cursor.value(unit_of(figure))
        recover = self._cursor.value(unit_of(figure)) if self._cursor.take("recover") else None
        return build(start, Comparison, figure=figure, op=operator, value=value, recover=recover)

    def _figure(self) -> Figure:
        start = self._cursor.next
        if not _AGGREGATE.fullmatch(start.text):
            self._cursor.refuse(*_FIRST_WORDS)
        self._cursor.advance()
        self._cursor.expect("(")
        arguments = self._arguments_of(start.text)
        self._cursor.expect(")", *([","] if start.text == Aggregate.LATEST and "window" not in arguments else []))
        return build(start, Figure, aggregate=start.text, **arguments)

    def _arguments_of(self, aggregate: str) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        match aggregate:
            case Aggregate.UPTIME:
                pass
            case Aggregate.COUNT:
                if self._cursor.next.kind is TokenKind.NAME:
                    arguments["outcome"] = Outcome(self._cursor.word(_OUTCOMES))
                    self._cursor.expect(",")
            case Aggregate.BURN_RATE:
                arguments["objective"] = self._cursor.value(Unit.PERCENT)
                self._cursor.expect(",")
            case _:
                arguments["metric"] = self._cursor.name("a metric, such as duration_ms")
                if not self._cursor.take(","):
                    if aggregate == Aggregate.LATEST:
                        return arguments
                    self._cursor.refuse(",")
        return {**arguments, "window": self._cursor.window("5m")}
