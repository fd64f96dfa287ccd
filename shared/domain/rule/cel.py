"""Conditions in the Common Expression Language: checked when they are saved, and judged.

The library has no bound on cost and holds the interpreter's lock, so that what is taken is bounded: 500 characters,
known functions only, and one macro over a list that stands in the text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from cel import Program
from cel import compile as compile_text

from shared.domain.alert.alerts import Verdict
from shared.domain.monitor.standing import MonitorState
from shared.domain.rule.conditions import Cel

STATE = "state"
"""The variable that says how the monitor stands."""
FUNCTIONS = frozenset({"contains", "double", "endsWith", "int", "size", "startsWith", "string"})
MACROS = frozenset({"all", "exists", "exists_one", "filter", "map"})

_MACRO = re.compile(rf"\b({'|'.join(sorted(MACROS))})\s*\(\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*,")
_OPERATOR = re.compile(r"[@!_-].*")
_FAILURES = (RuntimeError, TypeError, ValueError, ArithmeticError, LookupError)
_LONGEST_MESSAGE = 200


class CelError(ValueError):
    """An expression in CEL that is not taken; the message says why."""


@dataclass(frozen=True, slots=True)
class CelVerdict:
    """What an expression says; `message` tells why it says nothing."""

    verdict: Verdict
    message: str | None = None


def check_cel(condition: Cel) -> None:
    """Hold an expression against what it may be made of, and try it out.

    Raises:
        CelError: it cannot be read, names something unknown, may cost too much, or does not say true or false.
    """
    if STATE in condition.let:
        raise CelError("state is how the monitor stands; give the figure another name")
    try:
        program = _compiled(condition.cel)
    except ValueError as error:
        raise CelError(f"the CEL expression cannot be read: {_syntax_of(error)}") from None
    macros = _MACRO.findall(condition.cel)
    if len(macros) > 1:
        raise CelError(f"one of the macros {', '.join(sorted(MACROS))} may be used, once")
    known = {STATE, *condition.let}
    _refuse_unknown("variable", set(program.variables()) - {name for _, name in macros}, known)
    _refuse_unknown("function", {name for name in program.functions() if not _OPERATOR.fullmatch(name)}, FUNCTIONS)
    _try_out(condition, program)


def evaluate(condition: Cel, figures: Mapping[str, float | None], state: MonitorState) -> CelVerdict:
    """Judge by the figures that `let` names, None for those that are not known, and by how the monitor stands.

    What does not depend on an unknown figure is judged without it, as in `state == 'down' || slow > 300.0`.
    """
    known = {name: value for name, value in figures.items() if value is not None}
    try:
        found = _compiled(condition.cel).execute({**known, STATE: state.value})
    except _FAILURES as error:
        missing = sorted(condition.let.keys() - known.keys())
        return CelVerdict(Verdict.UNKNOWN, f"{', '.join(missing)}: not known" if missing else _message_of(error))
    if not isinstance(found, bool):
        return CelVerdict(Verdict.UNKNOWN, "the CEL expression says neither true nor false")
    return CelVerdict(Verdict.MET if found else Verdict.NOT_MET)


@lru_cache(maxsize=1024)
def _compiled(text: str) -> Program:
    return compile_text(text)


def _try_out(condition: Cel, program: Program) -> None:
    """Types are known only when it runs; what fails for these values fails for all of their types."""
    try:
        found = program.execute({**dict.fromkeys(condition.let, 1.0), STATE: MonitorState.UP.value})
    except (TypeError, RuntimeError) as error:
        raise CelError(f"the CEL expression fails: {_message_of(error)}") from None
    except _FAILURES:
        return
    if not isinstance(found, bool):
        raise CelError("the CEL expression has to say true or false")


def _refuse_unknown(noun: str, used: set[str], known: set[str] | frozenset[str]) -> None:
    if unknown := sorted(used - known):
        raise CelError(f"the CEL expression has the unknown {noun} {unknown[0]}; there are {', '.join(sorted(known))}")


def _message_of(error: Exception) -> str:
    return str(error).partition(". ")[0].partition("\n")[0][:_LONGEST_MESSAGE]


def _syntax_of(error: Exception) -> str:
    _, _, message = str(error).partition("ERROR: <input>:1:")
    column, _, words = message.partition(":")
    found = words.partition("expecting")[0].partition("\n")[0].strip()
    return f"character {column}: {found}"[:_LONGEST_MESSAGE] if found else "it is nested too deeply"
