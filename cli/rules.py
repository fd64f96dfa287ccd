"""`tocsin rules`: tests of rules as files, in the manner of promtool."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli.text_files import UnreadableFileError, read_text
from shared.domain.durations import format_duration
from shared.domain.rule.rule_test_run import Miss, OpenAlert, run_test
from shared.domain.rule.rule_tests import ExpectedAlert, RuleTestFileError, WrittenTests, read_rule_tests

EXIT_FAILED = 1
EXIT_REFUSED = 2
MAX_FILE_BYTES = 16 * 1024 * 1024

rules = typer.Typer(help="Test rules against examples.", no_args_is_help=True)


@rules.callback()
def _group() -> None:
    """Test rules against examples."""


@rules.command(name="test")
def test_files(
    files: Annotated[list[Path], typer.Argument(help="YAML files with rules and their tests; - is standard input.")],
) -> None:
    """Hold rules to the examples of files. Exit code 0: all hold. 1: some do not. 2: a file has mistakes."""
    read: list[WrittenTests] = []
    for file in files:
        try:
            read.append(read_rule_tests(str(file), read_text(file, most=MAX_FILE_BYTES), os.environ))
        except (RuleTestFileError, UnreadableFileError) as error:
            typer.echo(str(error), err=True)
    if len(read) < len(files):
        raise typer.Exit(EXIT_REFUSED)
    failed = sum(_run(written) for written in read)
    total = sum(len(written.content.tests) for written in read)
    typer.echo(f"{total} test{'' if total == 1 else 's'}, {failed} failed")
    raise typer.Exit(EXIT_FAILED if failed else 0)


def _run(written: WrittenTests) -> int:
    """Run a file's tests and show what does not hold; how many failed."""
    failed = 0
    for number, test in enumerate(written.content.tests):
        misses = run_test(written.content.rules, test)
        if misses:
            failed += 1
            typer.echo(f"FAILED {test.name}")
            for line in _lines(written, number, misses):
                typer.echo(line)
    return failed


def _lines(written: WrittenTests, number: int, misses: Sequence[Miss]) -> Iterator[str]:
    for miss in misses:
        place = written.place_of("tests", number, "expect", miss.place)
        yield f"  {written.file}:{place.line}:{place.column}: at {format_duration(miss.at)}"
        for expected in miss.missing:
            yield f"  - {_alert(expected)}"
        for alert in miss.unexpected:
            yield f"  + {_alert(alert)}"


def _alert(alert: ExpectedAlert | OpenAlert) -> str:
    where = f"{alert.group}/{alert.monitor}" if alert.group else alert.monitor
    labels = ", ".join(f'{name}="{value}"' for name, value in sorted(alert.labels.items()))
    return f"{alert.state} {alert.rule} on {where}" + (f" {{{labels}}}" if labels else "")
