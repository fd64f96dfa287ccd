"""Our own errors, told to who watches for them; nobody unless it is configured."""

import time
from collections.abc import Mapping
from typing import ClassVar, Protocol

SAME_ERROR_SECONDS = 60.0
"""An error of the same place and type is told once in this time: what fails twice a second fails for one reason."""


class Reporter(Protocol):
    """Tells of errors, without ever holding up where they happen."""

    def report(self, error: BaseException, tags: Mapping[str, str]) -> None:
        """Tell of an error."""
        ...

    def close(self) -> None:
        """Tell what is left, for a few seconds at most."""
        ...


class _Process:
    """What the process reports with; None as long as nobody is to be told."""

    reporter: Reporter | None = None
    told_at: ClassVar[dict[tuple[str, str], float]] = {}


def set_reporter(reporter: Reporter | None) -> None:
    """Turn reporting on, or off, for the process."""
    _Process.reporter = reporter
    _Process.told_at.clear()


def report_error(error: BaseException, *, where: str, **tags: str | int) -> None:
    """Tell of an error of ours. `where` is one of few words; tags name things, and never hold what was sent to us."""
    if _Process.reporter is None:
        return
    key = (where, type(error).__name__)
    now = time.monotonic()
    if now - _Process.told_at.get(key, -SAME_ERROR_SECONDS) < SAME_ERROR_SECONDS:
        return
    _Process.told_at[key] = now
    _Process.reporter.report(error, {"where": where} | {name: str(value) for name, value in tags.items()})
