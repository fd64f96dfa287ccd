"""How one collection is shown: for people with its phases, or as JSON."""

from collections.abc import Mapping
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shared.domain.target.outcome import Outcome
from shared.domain.target.target_identity import display_name
from shared.domain.target.targets import Target
from shared.services.target.collection import Examination

EXIT_CODES: Mapping[Outcome, int] = {Outcome.UP: 0, Outcome.DEGRADED: 1, Outcome.DOWN: 1, Outcome.ERROR: 3}
"""What the command ends with; 2 is a mistake in how it was called."""
BAR_CELLS = 30
"""The width of the bar of a whole collection."""
_STYLES: Mapping[Outcome, str] = {
    Outcome.UP: "bold green",
    Outcome.DEGRADED: "bold yellow",
    Outcome.DOWN: "bold red",
    Outcome.ERROR: "bold magenta",
}
PHASES: Mapping[str, Mapping[str, str]] = {
    "http": {
        "dns_ms": "name",
        "connect_ms": "connect",
        "tls_ms": "TLS",
        "first_byte_ms": "first byte",
        "transfer_ms": "transfer",
    },
    "database": {"connect_ms": "connect", "query_ms": "query"},
}
_UNITS = {"_ms": " ms", "_bytes": " bytes", "_seconds": " s", "_days": " days", "_per_second": " /s"}


def as_json(target: Target, examination: Examination) -> str:
    """One object in one line: the shape of the API's samples, with the conditions' results."""
    reading = examination.reading
    shown = {
        "target": display_name(target),
        "kind": target.kind,
        "outcome": reading.outcome,
        "code": reading.code,
        "message": reading.message,
        "duration_ms": reading.duration_ms,
        "metrics": dict(reading.metrics),
        "conditions": [{"holds": result.holds, "shown": result.shown} for result in examination.verdict.results],
        "collected_at": reading.collected_at,
    }
    return orjson.dumps(shown, option=orjson.OPT_UTC_Z).decode()


def show(target: Target, examination: Examination, *, console: Console | None = None) -> None:
    """Print the outcome, the phases with bars, the other metrics, the conditions, and why it is not up.

    Everything from outside is printed as text: brackets in it are no markup.
    """
    console = console or Console(highlight=False)
    reading, kind, name = examination.reading, target.kind, display_name(target)
    heading = Text.assemble(
        (reading.outcome.value, _STYLES[reading.outcome]), f"  {name}  {reading.duration_ms:.1f} ms"
    )
    console.print(heading, soft_wrap=True)
    if phases := _phases(kind, reading.metrics):
        console.print(phases)
    if facts := _facts(kind, reading.metrics):
        console.print(Text(f"  {facts}", style="dim"))
    for result in examination.verdict.results:
        mark = Text("  ✓ ", "green") if result.holds else Text("  ✗ ", "red")
        console.print(mark.append(Text(result.shown, style="not bold")), soft_wrap=True)
    if reading.code is not None and reading.code not in {"condition_failed", "degraded_condition_failed"}:
        console.print(Text(f"  {reading.code}: {reading.message}"), soft_wrap=True)


def _phases(kind: str, metrics: Mapping[str, float]) -> Table | None:
    """One row a phase that was reached, its bar in proportion to all of them, one after the other."""
    known = {label: metrics[name] for name, label in PHASES.get(kind, {}).items() if name in metrics}
    whole = sum(known.values())
    if whole <= 0:
        return None
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(justify="right", style="dim")
    table.add_column(justify="right")
    table.add_column()
    before = 0.0
    for label, milliseconds in known.items():
        indent, cells = round(before / whole * BAR_CELLS), max(1, round(milliseconds / whole * BAR_CELLS))
        table.add_row(f"  {label}", f"{milliseconds:.2f} ms", Text(" " * indent + "█" * cells, style="cyan"))
        before += milliseconds
    return table


def _facts(kind: str, metrics: Mapping[str, float]) -> str:
    """The metrics that are no phases, with their units."""
    shown = [_fact(name, number) for name, number in metrics.items() if name not in PHASES.get(kind, {})]
    return ", ".join(shown)


def _fact(name: str, number: float) -> str:
    value: Any = int(number) if number == int(number) else round(number, 3)
    for ending, unit in _UNITS.items():
        if name.endswith(ending):
            return f"{name.removesuffix(ending).replace('_', ' ')} {value}{unit}"
    return f"{name.replace('_', ' ')} {value}"
