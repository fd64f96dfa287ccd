"""Tests of rules as files: the rules, what monitors measured, and which alerts there are then; read with places."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from shared.domain.durations import Duration
from shared.domain.forms import METRIC_NAME
from shared.domain.mistakes import sentence_of
from shared.domain.monitor.monitor_files import MAX_MISTAKES, Mistake
from shared.domain.monitor.monitors import GroupName
from shared.domain.rule.rule_documents import RuleDocument, mistakes_of
from shared.domain.rule.rule_series import SeriesError, read_series
from shared.domain.rule.rules import Name
from shared.domain.target.kinds import METRICS
from shared.domain.target.targets import Labels
from shared.domain.yaml_places import Document, Path, Place, YamlError, read_yaml

MAX_AT = timedelta(days=400)
_ANY_AGE = timedelta(days=36_500)
"""How long samples are kept does not matter here."""

_MESSAGES = {"missing": "this has to be given", "extra_forbidden": "there is no such field"}
"""Sentences for mistakes that people make in files, by the type that pydantic gives them."""


def _text_of(value: object) -> object:
    """A series of one number is read by YAML as that number."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _by_metric(value: object) -> object:
    """A series alone is that of the duration."""
    return value if isinstance(value, dict) else {"duration_ms": value}


Kind = Literal["http", "database", "file", "heartbeat"]
MetricName = Annotated[str, Field(pattern=METRIC_NAME)]
Series = Annotated[str, BeforeValidator(_text_of)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class TestedMonitor(_Model):
    """A monitor and what it measured, by metric; a series alone is that of `duration_ms`.

    `states` say from when on it is in which state; unless given, they follow from the samples' outcomes.
    """

    __test__ = False

    name: Name
    group: GroupName = ""
    kind: Kind = "http"
    labels: Labels = Field(default_factory=dict)
    values: Annotated[dict[MetricName, Series], BeforeValidator(_by_metric), Field(default_factory=dict)]
    states: dict[Duration, Literal["pending", "up", "degraded", "down", "no_data", "paused", "maintenance"]] | None = (
        None
    )


class ExpectedAlert(_Model):
    """An alert that there is; it has all these labels, and may have more."""

    rule: Name
    monitor: Name
    group: GroupName = ""
    state: Literal["pending", "firing"] = "firing"
    labels: dict[str, str] = Field(default_factory=dict)


class Expectation(_Model):
    """All alerts that are open at a moment after the start."""

    at: Annotated[Duration, Field(le=MAX_AT)]
    alerts: list[ExpectedAlert]


class RuleTest(_Model):
    """What monitors measured in slots of one interval, and what is expected of the file's rules then."""

    name: Name
    interval: Annotated[Duration, Field(ge=timedelta(seconds=1))] = timedelta(minutes=1)
    monitors: Annotated[list[TestedMonitor], Field(min_length=1, max_length=100)]
    expect: Annotated[list[Expectation], Field(min_length=1)]


class RuleTestFile(_Model):
    """Rules and their tests."""

    rules: Annotated[list[RuleDocument], Field(min_length=1)]
    tests: Annotated[list[RuleTest], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class WrittenTests:
    """A file's rules and tests, and where each value stands."""

    file: str
    content: RuleTestFile
    document: Document

    def place_of(self, *path: str | int) -> Place:
        """Where a value stands."""
        return self.document.place_of(path)


class RuleTestFileError(ValueError):
    """A file has mistakes, in the order of their lines."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = tuple(mistakes)


def read_rule_tests(file: str, text: str, variables: Mapping[str, str]) -> WrittenTests:
    """Read one file.

    Raises:
        RuleTestFileError: all that is wrong, each with its line and column.
    """
    try:
        document = read_yaml(text, variables)
    except YamlError as error:
        raise RuleTestFileError([Mistake(file, error.place, str(error))]) from None
    try:
        # As the API reads rules, so that both say the same of one mistake.
        content = RuleTestFile.model_validate_json(to_json(document.value, fallback=str))
    except ValidationError as error:
        found = [
            (_known(document, each["loc"]), _MESSAGES.get(each["type"]) or sentence_of(each))
            for each in error.errors(include_url=False)
        ]
    else:
        found = list(_mistakes(content))
    if found:
        mistakes = [Mistake(file, document.place_of(path), _message(path, wrong)) for path, wrong in found]
        mistakes.sort(key=lambda each: (each.place.line, each.place.column))
        raise RuleTestFileError(mistakes[:MAX_MISTAKES])
    return WrittenTests(file, content, document)


def _known(document: Document, loc: tuple[str | int, ...]) -> Path:
    """The path in the file that pydantic means, whose own words for kinds stand between."""
    path: Path = ()
    for part in loc:
        if (*path, part) in document.places:
            path = (*path, part)
    last = loc[-1] if loc else ""
    return path if path[-1:] == (last,) or isinstance(last, int) else (*path, last)


def _message(path: Path, wrong: str) -> str:
    name = ".".join(str(each) for each in path[2:] if not isinstance(each, int)) or str(path[0] if path else "")
    return f"{name}: {wrong}" if name else wrong


def _mistakes(content: RuleTestFile) -> Iterator[tuple[Path, str]]:
    """What is wrong beyond the form."""
    names: set[str] = set()
    for place, rule in enumerate(content.rules):
        if rule.name in names:
            yield ("rules", place, "name"), "there is a rule of this name in the file already"
        names.add(rule.name)
        for mistake in mistakes_of(rule.spec, kept=_ANY_AGE, condition_at=rule.condition_at):
            parts = (int(part) if part.isdigit() else part for part in mistake.pointer.split("/")[1:])
            yield ("rules", place, *parts), mistake.detail
    for place, test in enumerate(content.tests):
        for path, wrong in _test_mistakes(test, names):
            yield ("tests", place, *path), wrong


def _test_mistakes(test: RuleTest, rules: set[str]) -> Iterator[tuple[Path, str]]:
    there: set[tuple[str, str]] = set()
    for place, monitor in enumerate(test.monitors):
        if (monitor.group, monitor.name) in there:
            yield ("monitors", place, "name"), "there is a monitor of this name in this test already"
        there.add((monitor.group, monitor.name))
        for path, wrong in _series_mistakes(monitor):
            yield ("monitors", place, *path), wrong
    for place, expectation in enumerate(test.expect):
        for number, alert in enumerate(expectation.alerts):
            path = ("expect", place, "alerts", number)
            if alert.rule not in rules:
                yield (*path, "rule"), f'there is no rule "{alert.rule}" in the file'
            if (alert.group, alert.monitor) not in there:
                yield (*path, "monitor"), f'there is no monitor "{alert.monitor}" of this group in the test'


def _series_mistakes(monitor: TestedMonitor) -> Iterator[tuple[Path, str]]:
    for metric, text in monitor.values.items():
        path = ("values", metric)
        if metric != "duration_ms" and metric not in METRICS[monitor.kind]:
            known = ", ".join(("duration_ms", *METRICS[monitor.kind]))
            yield path, f'{monitor.kind} has no metric "{metric}"; there are {known}'
        try:
            read_series(text)
        except SeriesError as error:
            yield path, str(error)
