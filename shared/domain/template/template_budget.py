"""What one rendering of a template may touch: each piece of work is charged, so that all of them end soon."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from jinja2 import Undefined
from markupsafe import Markup

MAX_TEXT = 20_000
BUDGET = 200_000
"""Characters, turns and values that one rendering may touch."""


class BudgetError(ValueError):
    """A template does more than it may."""


class _Meter:
    def __init__(self, budget: int) -> None:
        self.left = budget


_METER: ContextVar[_Meter | None] = ContextVar("template_meter", default=None)


@contextmanager
def metered(budget: int = BUDGET) -> Iterator[None]:
    """Give what is rendered within a budget of its own, which is taken from the one that it stands in."""
    around = _METER.get()
    given = budget if around is None else min(budget, around.left)
    meter = _Meter(given)
    token = _METER.set(meter)
    try:
        yield
    finally:
        _METER.reset(token)
        if around is not None:
            around.left -= given - meter.left


def charge(amount: int) -> None:
    """Charge work.

    Raises:
        BudgetError: there was too much of it.
    """
    meter = _METER.get()
    if meter is None:
        return
    meter.left -= amount + 1
    if meter.left < 0:
        raise BudgetError("the template does too much; loop over less, or say less")


def text_of(value: object) -> str:
    """A plain value as text.

    Raises:
        BudgetError: it is a list or a mapping, or far too long.
    """
    if value is None or isinstance(value, Undefined):
        return ""
    if isinstance(value, (str, int, float, datetime)):
        text = value if isinstance(value, str) else str(value)
        charge(len(text))
        return text
    raise BudgetError("a list or a mapping is no text")


def bounded_text(*values: object) -> str:
    """The values joined, bounded; markup stays markup, and escapes what joins it.

    Raises:
        BudgetError: it would be too long.
    """
    texts = [text_of(value) for value in values]
    if sum(map(len, texts)) > MAX_TEXT:
        raise BudgetError(f"a text would have more than {MAX_TEXT} characters")
    if any(isinstance(text, Markup) for text in texts):
        return Markup("").join(texts)
    return "".join(texts)
