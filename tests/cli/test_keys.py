"""`tocsin keys`."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from cli.keys import keys
from shared.domain.access import is_well_formed_key

Run = Callable[..., Result]


@pytest.fixture
def run(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on a database of the test's own."""
    monkeypatch.setenv("TOCSIN_DATABASE_URL", fresh_database_url)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(keys, list(arguments), catch_exceptions=False)


def test_a_key_is_made_listed_and_revoked(run: Run) -> None:
    """The key alone is printed, so that a script can take it; the list never shows it whole."""
    made = run("create", "ci", "--scope", "read")
    key = made.stdout.strip()
    assert made.exit_code == 0
    assert key.startswith("tocsin_read_")
    assert is_well_formed_key(key)
    listed = run("list").stdout
    assert "ci" in listed
    assert "valid" in listed
    assert key not in listed
    key_id = next(word for word in listed.split() if word.count("-") == 4)
    assert run("revoke", key_id).exit_code == 0
    assert "revoked" in run("list").stdout


def test_an_unknown_key_is_not_revoked(run: Run) -> None:
    """A sentence and exit code 1."""
    result = run("revoke", str(uuid4()))
    assert result.exit_code == 1
    assert "tocsin keys list" in result.stderr


def test_without_a_database_it_says_which_setting_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2."""
    monkeypatch.delenv("TOCSIN_DATABASE_URL", raising=False)
    result = CliRunner().invoke(keys, ["list"])
    assert result.exit_code == 2
    assert "TOCSIN_DATABASE_URL" in result.stderr
