"""Reads a target from the command line and collects it once, with what the user's own terminal may reach."""

from pathlib import Path
from typing import Any

import typer
from pydantic import TypeAdapter, ValidationError

from shared.clock import utc_now
from shared.collectors.file import FileCollector
from shared.collectors.registry import build_collectors
from shared.domain.target.condition_parser import parse_condition
from shared.domain.target.conditions import ConditionSyntaxError
from shared.domain.target.egress import EgressPolicy
from shared.domain.target.file_marks import MarksInMemory
from shared.domain.target.targets import Target
from shared.services.target.collection import Collection, Examination
from shared.transport.curl import CurlClient
from shared.transport.dialling import Dialler
from shared.transport.resolver import Resolver

USAGE = 2
"""What a command ends with that was called wrongly, as typer has it."""

_TARGETS: TypeAdapter[Target] = TypeAdapter(Target)


async def examine(target: Target) -> Examination:
    """Collect once, with what the user's own terminal may reach: loopback, local sockets and every file."""
    resolver = Resolver()
    dialler = Dialler(resolver, EgressPolicy.parse("any", allow_loopback=True))
    files = FileCollector(["/"], MarksInMemory(), clock=utc_now, counts_from_start=True)
    collectors = build_collectors(dialler, CurlClient(dialler), files=files, allows_local_sockets=True)
    collection = Collection(collectors, clock=utc_now, target_slots=1, host_slots=1)
    try:
        return await collection.examine(target)
    finally:
        await collection.close()
        await resolver.close()


def read_target(word: str, options: dict[str, Any]) -> Target:
    """The target that a word and options describe, or the end of the command with what is wrong and where.

    `options` are fields of a target, those that were not given None; `headers` is a list of `Name: value`.
    """
    given = {name: value for name, value in options.items() if value} | _address(word)
    if "headers" in given:
        given["headers"] = dict(map(_read_header, given["headers"]))
    for text in (*given.get("conditions", ()), *given.get("degraded_conditions", ())):
        try:
            parse_condition(text, given["kind"])
        except ConditionSyntaxError as error:
            raise _misused(error.with_caret()) from error
    try:
        return _TARGETS.validate_python(given)
    except ValidationError as error:
        raise _misused("\n".join(map(_explain, error.errors(include_input=False)))) from None


def _address(target: str) -> dict[str, str]:
    """The kind and address fields that a word on the command line stands for."""
    scheme, found, _ = target.partition("://")
    if found and scheme.lower() in {"http", "https"}:
        return {"kind": "http", "url": target}
    if found:
        return {"kind": "database", "dsn": target}
    if target.startswith(("/", "./", "../", "~/")):
        return {"kind": "file", "path": str(Path(target).expanduser().absolute())}
    raise _misused(f'"{target}" is no target; write http://{target}, postgresql://… or a path such as ./{target}')


def _read_header(header: str) -> tuple[str, str]:
    name, colon, value = header.partition(":")
    if not colon:
        raise _misused("a header is written as 'Name: value'")
    return name.strip(), value.strip()


def _explain(error: Any) -> str:  # noqa: ANN401 - pydantic's typed dictionary of an error.
    """One sentence of pydantic's, with the name of the option it is about."""
    name = error["loc"][1] if len(error["loc"]) > 1 else "target"
    if error["type"] == "extra_forbidden":
        return f"--{str(name).removesuffix('s')} does not go with this kind of target"
    return f"{name}: {error['msg'].removeprefix('Value error, ')}"


def _misused(message: str) -> typer.Exit:
    """Say what is wrong and end with the code for it."""
    typer.echo(message, err=True)
    return typer.Exit(USAGE)
