"""The problems that silences, inhibitions and maintenance have in common."""

from api import problem_kinds
from api.problems import ProblemError, invalid_input
from shared.domain.matchers import Matchers
from shared.domain.suppression.planned_spans import SpanError
from shared.domain.suppression.silences import is_everything


def too_many(what: str, most: int) -> ProblemError:
    """There are as many as may be."""
    return ProblemError(problem_kinds.TOO_MANY_HELD, f"There may be {most:,} {what}, and there are.")


def has_ended(what: str) -> ProblemError:
    """It is over and stays as it was."""
    return ProblemError(problem_kinds.HAS_ENDED, f"The {what} has ended and stays as it was.")


def wrong_span(error: SpanError) -> ProblemError:
    """Its time cannot be."""
    return invalid_input([{"detail": str(error), "pointer": f"/{error.field}"}])


def check_span(*given: object) -> None:
    """Refuse an end and a length together.

    Raises:
        ProblemError: both were given.
    """
    if all(each is not None for each in given):
        raise invalid_input([{"detail": "give ends_at or duration, not both", "pointer": "/duration"}])


def check_not_everything(matchers: Matchers | None, *, field: str) -> None:
    """Refuse what even an alert without labels would match.

    Raises:
        ProblemError: it would.
    """
    if matchers is not None and is_everything(matchers):
        detail = 'one of them at least must not match an empty value: add for example alertname=~".+"'
        raise invalid_input([{"detail": detail, "pointer": f"/{field}"}])
