"""How the doctor's findings are shown: a line each for people, or as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.text import Text

from shared.domain.fleet.diagnosis import Finding, Level, worst_of
from shared.domain.fleet.drill import PROMISES, DrillCase, DrillResult

_STYLES = {Level.OK: "green", Level.WARN: "bold yellow", Level.FAIL: "bold red"}
_INSTANT = {DrillCase.DUPLICATE, DrillCase.LATE}
"""Cases that nobody has to repair."""


@dataclass(frozen=True, slots=True)
class Checkup:
    """All that was found. `drill_by_workers` is how many living workers did the drill's repairs, 0 for the drill."""

    findings: Sequence[Finding]
    drill: Sequence[DrillResult] = ()
    drill_by_workers: int = 0
    drill_failure: str | None = None


def show_json(checkup: Checkup) -> None:
    """One object; `drill` is null unless it was asked for and done."""
    drill = None
    if checkup.drill:
        drill = {
            "repaired_by": "workers" if checkup.drill_by_workers else "drill",
            "cases": [asdict(result) for result in checkup.drill],
        }
    findings = [asdict(finding) for finding in checkup.findings]
    verdict = worst_of(checkup.findings)
    shown = {"verdict": verdict, "findings": findings, "drill": drill, "drill_failure": checkup.drill_failure}
    print(json.dumps(shown))


def show(checkup: Checkup, *, console: Console | None = None) -> None:
    """A line for each finding, with what to do below it; everything from outside is printed as text."""
    console = console or Console(highlight=False, soft_wrap=True)
    for finding in checkup.findings:
        _line(console, finding.level, finding.name, finding.message, advice=finding.advice)
    if checkup.drill_failure:
        _line(console, Level.FAIL, "drill", checkup.drill_failure)
    if checkup.drill:
        workers = checkup.drill_by_workers
        by_workers = f"by {workers} living worker{'s' if workers > 1 else ''}"
        console.print(f"drill, repaired {by_workers if workers else 'by itself: no worker is alive'}")
    for result in checkup.drill:
        _show_result(console, result)


def _show_result(console: Console, result: DrillResult) -> None:
    level = Level.OK if result.has_held else Level.FAIL
    took = "" if result.case in _INSTANT else f", after {result.seconds:.1f} s"
    message = PROMISES[result.case] + took if result.has_held else result.message
    _line(console, level, result.case.value, message)


def _line(console: Console, level: Level, name: str, message: str, *, advice: str = "") -> None:
    console.print(Text.assemble((f"{level.value:<4}", _STYLES[level]), f"  {name:<13} {message}"))
    if advice:
        console.print(Text(f"      {'':<13} → {advice}"))
