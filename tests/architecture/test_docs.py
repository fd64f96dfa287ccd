"""What the pages say is there: links lead somewhere, and nothing a user can name is left out."""

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
import typer
from prometheus_client import REGISTRY

from api.metrics import ApiMetrics
from api.problem_kinds import KINDS
from cli.keys import keys
from cli.main import app
from shared.collectors.postgresql_faults import _CODES
from shared.domain.job.jobs import TRANSITIONS, AttemptOutcome, JobState
from shared.domain.job.leases import RescueReason
from shared.domain.target.kinds import METRICS, PLACEHOLDERS
from shared.domain.target.targets import DatabaseTarget, FileTarget, HttpTarget, TargetModel
from shared.settings import Settings
from shared.telemetry import job_metrics  # noqa: F401 - its series are looked at
from shared.transport.curl_faults import _TLS
from worker import metrics  # noqa: F401 - its series are looked at

DOCS = Path("docs")
PAGES = [Path("README.md"), *sorted(DOCS.glob("*.md"))]
TARGETS: dict[str, type[TargetModel]] = {"http": HttpTarget, "database": DatabaseTarget, "file": FileTarget}

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ADDRESS_HOST = re.compile(r"\b[a-z][a-z+]*://(?:[^\s/@\"'`]*@)?([^\s/:?\"'`)>\]|]*)")
HOSTS_OF_NOBODY = re.compile(r"[^.]*|127\.0\.0\.1|(.*\.)?example(\.(org|com|net))?")
SETTING = re.compile(r"\bTOCSIN_[A-Z_]+[A-Z]\b")


def slug_of(heading: str) -> str:
    """The anchor that a heading gets where Markdown is shown."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors_of(page: Path) -> set[str]:
    return {slug_of(heading) for heading in HEADING.findall(FENCED.sub("", page.read_text()))}


def section_of(page: Path, heading: str) -> str:
    """The text below a heading of the second level, up to the next one."""
    _, _, rest = page.read_text().partition(f"\n## {heading}\n")
    assert rest, f"{page} has no heading {heading}"
    return rest.partition("\n## ")[0]


def is_row(text: str, name: str) -> bool:
    """Whether a table has a line that begins with the name."""
    return f"\n| `{name}" in text


def codes_of(class_name: str, *folders: str) -> set[str]:
    """The first argument of each `Fault(…)` or `Failure(…)` in the folders that is a plain text."""
    files = chain.from_iterable(Path("shared", folder).rglob("*.py") for folder in folders)
    return set(chain.from_iterable(codes_in(ast.parse(file.read_text()), class_name) for file in files))


def codes_in(module: ast.Module, class_name: str) -> Iterator[str]:
    for node in ast.walk(module):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(code)), *_]) if name == class_name:
                yield code


SAMPLE_CODES = {
    *codes_of("Fault", "transport", "collectors", "services"),
    # These are looked up in tables, by SQLSTATE and by libcurl's number.
    *(code for _, code in _CODES),
    *_TLS.values(),
    "condition_failed",
    "degraded_condition_failed",
}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    """A relative link names a file that is there and, behind `#`, one of its headings."""
    for link in LINK.findall(FENCED.sub("", page.read_text())):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), f"{page}: {link}"
        assert not anchor or anchor in anchors_of(target), f"{page}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_no_page_names_a_foreign_host(page: Path) -> None:
    """Addresses in examples are loopback or of the names that RFC 2606 keeps for nobody."""
    foreign = [host for host in ADDRESS_HOST.findall(page.read_text()) if not HOSTS_OF_NOBODY.fullmatch(host)]
    assert foreign == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_setting_named_is_one(page: Path) -> None:
    """A setting that a page speaks of exists, in the program or in the compose file."""
    known = {f"TOCSIN_{name.upper()}" for name in Settings.model_fields}
    known |= set(SETTING.findall(Path("docker-compose.yml").read_text()))
    assert set(SETTING.findall(page.read_text())) <= known


def test_every_page_is_linked_from_the_readme() -> None:
    """Nobody finds a page that nothing leads to."""
    linked = set(LINK.findall(Path("README.md").read_text()))
    assert {str(page) for page in PAGES[1:]} <= linked


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_problem_is_explained(name: str) -> None:
    """The API's page has a line for each kind of problem, with its status."""
    assert f"\n| {KINDS[name].status} | `{name}` |" in (DOCS / "api.md").read_text()


@pytest.mark.parametrize("kind", sorted(TARGETS))
def test_every_field_metric_and_placeholder_of_a_target_is_explained(kind: str) -> None:
    """Each kind's section has a line for what is its own; what all have is told once."""
    page = DOCS / "targets.md"
    general, own = section_of(page, "Fields of every target"), section_of(page, f"`{kind}`")
    fields, shared_fields = set(TARGETS[kind].model_fields), {*TargetModel.model_fields, "kind"}
    missing = [name for name in sorted(shared_fields) if not is_row(general, f"{name}` |")]
    missing += [name for name in sorted(fields - shared_fields) if not is_row(own, f"{name}` |")]
    missing += [name for name in METRICS[kind] if not is_row(own, f"{name}` |")]
    missing += [f"[{name}]" for name in PLACEHOLDERS[kind] if not is_row(own, f"[{name}]")]
    assert missing == []


@pytest.mark.parametrize("code", sorted(SAMPLE_CODES))
def test_every_code_of_a_sample_is_explained(code: str) -> None:
    """The page of targets has a line for each named reason of an outcome."""
    assert is_row(section_of(DOCS / "targets.md", "Outcomes"), f"{code}` |")


@pytest.mark.parametrize("code", sorted(codes_of("Failure", "notifiers")))
def test_every_code_of_a_failed_notification_is_explained(code: str) -> None:
    """The page on telling people has each named reason in one of its tables."""
    rows = [line for line in (DOCS / "notifications.md").read_text().splitlines() if line.startswith("| ")]
    assert any(f"`{code}`" in row for row in rows)


@pytest.mark.parametrize("name", sorted(typer.main.get_group(app).commands))
def test_every_command_is_explained(name: str) -> None:
    """The page on running has a line for each command of `tocsin`."""
    assert is_row(section_of(DOCS / "running.md", "The commands"), f"tocsin {name}` |")


@pytest.mark.parametrize("name", sorted(typer.main.get_group(keys).commands))
def test_every_command_of_keys_is_named(name: str) -> None:
    """So are those that deal with keys."""
    line = next(line for line in (DOCS / "running.md").read_text().splitlines() if line.startswith("| `tocsin keys`"))
    assert f"`{name}" in line


def test_every_option_of_check_is_explained() -> None:
    """The page of targets has a line for each option of `tocsin check`."""
    check = typer.main.get_group(app).commands["check"]
    options = [option.opts[0] for option in check.params if option.opts[0].startswith("--")]
    text = section_of(DOCS / "targets.md", "From the terminal")
    assert options
    assert [option for option in options if not is_row(text, f"{option}`")] == []


def test_every_series_of_the_metrics_is_explained() -> None:
    """The page on watching Tocsin has a line for each series of Tocsin's own, the API's and a worker's."""
    text = section_of(DOCS / "observability.md", "Metrics")
    families = [*ApiMetrics().registry.collect(), *REGISTRY.collect()]
    names = {family.name for family in families if family.name.startswith("tocsin_")}
    assert {"tocsin_http_request_seconds", "tocsin_upkeep_jobs", "tocsin_attempts"} <= names
    assert [name for name in sorted(names) if f"`{name}" not in text] == []


@pytest.mark.parametrize("state", JobState)
def test_every_state_of_a_job_is_told_with_what_it_leads_to(state: JobState) -> None:
    """The page on jobs has the transition table as the program has it."""
    rows = section_of(DOCS / "jobs.md", "States").splitlines()
    (row,) = [line for line in rows if line.startswith(f"| `{state}` |")]
    assert set(re.findall(r"`(\w+)`", row.split("|")[3])) == {end.value for end in TRANSITIONS[state]}


def test_every_outcome_of_an_attempt_is_explained() -> None:
    """The page on jobs says what each outcome means."""
    text = section_of(DOCS / "jobs.md", "What is promised")
    assert [outcome for outcome in AttemptOutcome if f"`{outcome}`" not in text] == []


def test_every_duty_is_told_with_its_interval() -> None:
    """The page's table of upkeep is the schedule."""
    kept = {
        name: seconds
        for call in ast.walk(ast.parse(Path("worker/upkeep/schedule.py").read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Duty"
        for name, seconds in [(ast.literal_eval(call.args[0]), ast.literal_eval(call.args[1]))]
    }
    rows = re.findall(r"^\| (\w+) \| ([\d.]+) (s|min) \|", section_of(DOCS / "jobs.md", "Upkeep"), re.MULTILINE)
    assert {name: float(number) * (60 if unit == "min" else 1) for name, number, unit in rows} == kept
    assert kept


def test_every_code_of_a_failed_job_is_explained() -> None:
    """The page on jobs, or the one on telling people, says what each code means and what follows."""
    pages = [section_of(DOCS / "jobs.md", "Retries"), (DOCS / "notifications.md").read_text()]
    codes = codes_of("Failure", "services") | {reason.value for reason in RescueReason} - {"cancel_requested"}
    # A requeue that lost its lease, or is to be cancelled, records nothing of its own.
    assert [code for code in sorted(codes - {"stopped"}) if not any(is_row(page, f"{code}` |") for page in pages)] == []
