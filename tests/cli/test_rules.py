"""`tocsin rules test`: what it says and how it ends."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app

FILE = """\
rules:
  - {name: slow, expression: "latest(duration_ms) > 300", for: 1m}
tests:
  - name: it fires after a minute
    interval: 30s
    monitors:
      - {name: shop, group: web, values: 100x2 900x9}
    expect:
      - {at: 30s, alerts: []}
      - {at: 1m30s, alerts: [{rule: slow, group: web, monitor: shop, state: STATE}]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rules_test.yaml"


def run(*arguments: str, stdin: str | None = None) -> tuple[int, str, str]:
    """How it ended, and what it said."""
    result = CliRunner().invoke(app, ["rules", "test", *arguments], input=stdin)
    return result.exit_code, result.stdout, result.stderr


def test_all_is_as_expected(file: Path) -> None:
    """One line, and 0."""
    file.write_text(FILE.replace("STATE", "pending"))
    assert run(str(file)) == (0, "1 test, 0 failed\n", "")


def test_what_is_not_as_expected_is_shown_like_a_diff(file: Path) -> None:
    """The test, where its expectation stands, what is missing and what is there; and 1."""
    file.write_text(FILE.replace("STATE", "firing"))
    code, out, _ = run(str(file))
    assert code == 1
    assert out.splitlines() == [
        "FAILED it fires after a minute",
        f"  {file}:10:9: at 1m30s",
        "  - firing slow on web/shop",
        '  + pending slow on web/shop {alertname="slow", group="web", kind="http", monitor="shop", severity="warning"}',
        "1 test, 1 failed",
    ]


def test_standard_input_is_read() -> None:
    """By a dash."""
    assert run("-", stdin=FILE.replace("STATE", "pending"))[0] == 0


def test_mistakes_of_all_files_are_told(file: Path, tmp_path: Path) -> None:
    """No test is run; and 2."""
    file.write_text(FILE.replace("STATE", "sleeping"))
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff")
    code, out, err = run(str(file), str(binary), str(tmp_path / "missing"))
    assert (code, out) == (2, "")
    told = err.splitlines()
    assert told[0].startswith(f"{file}:10:77: expect.alerts.state: ")
    assert told[1:] == [f"{binary}: byte 1 is no UTF-8", f"{tmp_path / 'missing'}: No such file or directory"]


def test_the_example_of_the_page_holds(file: Path) -> None:
    """What people copy works."""
    page = Path("docs/rule-tests.md").read_text()
    file.write_text(page.split("```yaml\n")[1].split("```")[0])
    assert run(str(file))[:2] == (0, "1 test, 0 failed\n")
