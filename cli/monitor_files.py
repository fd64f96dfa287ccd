"""`tocsin apply`, `diff` and `export`: monitors as code."""

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
import yaml
from rich.console import Console

from cli.api_client import ApiClient, ApiError
from cli.plan_view import show_plan
from cli.text_files import UnreadableFileError, read_text
from shared.domain.monitor.monitor_files import Mistake, MonitorFileError, WrittenMonitor, check_names, read_monitors
from shared.domain.monitor.monitors import MonitorSpec
from shared.domain.monitor.target_documents import document_of
from shared.settings import Settings

EXIT_CHANGES = 1
"""What `diff` ends with when something would change."""
EXIT_REFUSED = 2
MAX_FILE_BYTES = 64 * 1024 * 1024

_PLAN_PATH = "/api/v1/monitors:plan"
_APPLY_PATH = "/api/v1/monitors:apply"
_MONITORS_PATH = "/api/v1/monitors"
_IN_MONITOR = re.compile(r"/monitors/([0-9]+)/(.+)")
_SUFFIXES = (".yaml", ".yml")
_EXPORTED = (
    *("name", "group", "description", "target", "interval", "cron", "timezone", "confirmations"),
    *("confirm_interval", "labels", "paused"),
)
_LEFT_OUT: Mapping[str, object] = {
    "group": "",
    "description": "",
    "cron": None,
    "interval": None,
    "labels": {},
    "paused": False,
}


def diff(settings: Settings, files: Sequence[Path], *, owner: str, adopts: bool) -> int:
    """Show what `apply` would change; the exit code tells whether anything would."""
    return _run(lambda: _diff(settings, files, owner=owner, adopts=adopts))


def apply(settings: Settings, files: Sequence[Path], *, owner: str, adopts: bool, is_agreed: bool) -> int:
    """Show the plan, ask, and carry out just what was shown."""
    return _run(lambda: _apply(settings, files, owner=owner, adopts=adopts, is_agreed=is_agreed))


def export(settings: Settings, parameters: dict[str, Any]) -> int:
    """Write all monitors that match as a file that `apply` reads."""
    return _run(lambda: _export(settings, parameters))


def _run(command: Callable[[], int]) -> int:
    try:
        return command()
    except (ApiError, MonitorFileError, UnreadableFileError) as error:
        typer.echo(str(error), err=True)
        return EXIT_REFUSED


def _diff(settings: Settings, files: Sequence[Path], *, owner: str, adopts: bool) -> int:
    monitors = _read(files)
    with ApiClient(settings) as client:
        plan = _plan(client, monitors, _body(monitors, owner=owner, adopts=adopts))
    show_plan(plan, Console())
    return EXIT_CHANGES if plan["changes"] else 0


def _apply(settings: Settings, files: Sequence[Path], *, owner: str, adopts: bool, is_agreed: bool) -> int:
    monitors = _read(files)
    body = _body(monitors, owner=owner, adopts=adopts)
    console = Console()
    with ApiClient(settings) as client:
        plan = _plan(client, monitors, body)
        show_plan(plan, console)
        if not plan["changes"]:
            return 0
        if any(change["action"] == "conflict" for change in plan["changes"]):
            raise ApiError("nothing was changed: adopt what belongs to others by --adopt, or rename it")
        if not is_agreed and not _ask():
            return EXIT_REFUSED
        client.post(_APPLY_PATH, body | {"digest": plan["digest"]})
    console.print("Applied.")
    return 0


def _plan(client: ApiClient, monitors: Sequence[WrittenMonitor], body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON is any value
    """The plan; what only the server could find wrong is told with its place in the files, too."""
    try:
        return client.post(_PLAN_PATH, body)
    except ApiError as error:
        found = [(_IN_MONITOR.fullmatch(pointer), wrong) for pointer, wrong in error.mistakes.items()]
        mistakes = [_mistake(monitors[int(place[1])], place[2], wrong) for place, wrong in found if place is not None]
        raise (MonitorFileError(mistakes) if mistakes else error) from None


def _mistake(monitor: WrittenMonitor, field: str, wrong: str) -> Mistake:
    return Mistake(monitor.file, monitor.place, f"{field.replace('/', '.')}: {wrong}")


def _ask() -> bool:
    if not sys.stdin.isatty():
        raise ApiError("nothing was changed: there is nobody to ask; --yes applies without asking")
    return typer.confirm("Apply this?")


def _read(files: Sequence[Path]) -> list[WrittenMonitor]:
    """The monitors of all files; what is wrong is told of all of them at once."""
    monitors: list[WrittenMonitor] = []
    mistakes: list[Mistake] = []
    for file in _expand(files):
        try:
            monitors += read_monitors(str(file), read_text(file, most=MAX_FILE_BYTES), os.environ)
        except MonitorFileError as error:
            mistakes += error.mistakes
    if mistakes:
        raise MonitorFileError(mistakes)
    check_names(monitors)
    return monitors


def _expand(files: Sequence[Path]) -> list[Path]:
    """The files, and those with a YAML name of each directory."""
    found = []
    for file in files:
        if file.is_dir():
            found += sorted(each for each in file.iterdir() if each.suffix in _SUFFIXES)
        else:
            found.append(file)
    if not found:
        raise ApiError("there is no file that ends in .yaml or .yml")
    return found


def _body(monitors: Sequence[WrittenMonitor], *, owner: str, adopts: bool) -> dict[str, Any]:
    return {"owner": owner, "adopt": adopts, "monitors": [_document_of(each.spec) for each in monitors]}


def _document_of(spec: MonitorSpec) -> dict[str, Any]:
    """What the file says of a monitor and no more, so that it is shown again as it was written."""
    said = spec.model_dump(mode="json", exclude_unset=True, exclude={"target", "conditions", "degraded_conditions"})
    return said | {"target": document_of(spec.target)}


def _export(settings: Settings, parameters: dict[str, Any]) -> int:
    with ApiClient(settings) as client:
        monitors = [_written(item) for item in client.list_all(_MONITORS_PATH, parameters)]
    yaml.safe_dump({"monitors": monitors}, sys.stdout, sort_keys=False, allow_unicode=True, width=120)
    return 0


def _written(item: Mapping[str, Any]) -> dict[str, Any]:
    """A monitor as a file has it, without what is so by itself."""
    return {
        name: item[name]
        for name in _EXPORTED
        if name in item and (name not in _LEFT_OUT or item[name] != _LEFT_OUT[name])
    }
