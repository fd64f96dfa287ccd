"""`tocsin check`: collects once from the terminal, without any server."""

import asyncio
from typing import Annotated

import typer


def check(  # noqa: PLR0913 - the options of a command are its parameters.
    target: Annotated[str, typer.Argument(help="http://…, https://…, postgresql://… or the path of a file.")],
    condition: Annotated[
        list[str] | None, typer.Option("--condition", "-c", help="Must hold, such as '[STATUS] == 200'; repeatable.")
    ] = None,
    *,
    degraded: Annotated[list[str] | None, typer.Option(help="Should hold, or the target is degraded.")] = None,
    header: Annotated[list[str] | None, typer.Option(help="HTTP: 'Name: value' to send along; repeatable.")] = None,
    query: Annotated[str | None, typer.Option(help="Database: the SELECT whose first value and rows count.")] = None,
    pattern: Annotated[str | None, typer.Option(help="File: count the lines that match.")] = None,
    timeout: Annotated[str, typer.Option(help="For the whole collection, such as 500ms or 5s.")] = "10s",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Collect a target once.

    Exit code 0: up. 1: degraded or down. 2: called wrongly. 3: it could not be tried, and nothing is known of it.
    """
    # The engines are loaded only here, so that every other command starts without them.
    from cli.check_view import EXIT_CODES, as_json, show  # noqa: PLC0415
    from cli.checking import examine, read_target  # noqa: PLC0415

    options = {"timeout": timeout, "conditions": condition, "degraded_conditions": degraded}
    wanted = read_target(target, {**options, "headers": header, "query": query, "pattern": pattern})
    examination = asyncio.run(examine(wanted))
    if json:
        typer.echo(as_json(wanted, examination))
    else:
        show(wanted, examination)
    raise typer.Exit(EXIT_CODES[examination.reading.outcome])
