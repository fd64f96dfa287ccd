import os
import subprocess
import sys
from importlib.metadata import version

import pytest


def tocsin(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as a user does."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean | environment,
        check=False,
    )


def test_version_prints_the_installed_version() -> None:
    """Nothing else, so that scripts can read it."""
    assert tocsin("version").stdout.strip() == version("tocsin")


def test_help_names_every_command() -> None:
    """A person finds what there is."""
    done = tocsin("--help")
    assert all(f" {name} " in done.stdout for name in ("up", "api", "worker", "migrate", "keys", "check", "version"))


def test_help_loads_no_heavy_library() -> None:
    """Who asks what there is does not wait for SQLAlchemy, FastAPI or Alembic."""
    program = (
        "import sys; import cli.main; print([n for n in ('sqlalchemy', 'fastapi', 'alembic') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_keys_have_a_help_of_their_own() -> None:
    """The group is loaded only when it is called."""
    done = tocsin("keys", "--help")
    assert done.returncode == 0
    assert "revoke" in done.stdout


@pytest.mark.parametrize("command", ["api", "worker", "migrate"])
def test_commands_without_servers_name_the_setting(command: str) -> None:
    """Each says what to set, and does not end with a traceback."""
    done = tocsin(command)
    assert done.returncode != 0
    assert "TOCSIN_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_queue_is_refused() -> None:
    """The message names the queues there are."""
    done = tocsin("worker", "--queues", "collect,nonsense")
    assert done.returncode == 2
    assert "nonsense" in done.stderr
    assert "notify" in done.stderr


def test_several_may_migrate_an_empty_database_at_once(empty_database_url: str) -> None:
    """One does the work, the others find it done."""
    programs = [
        subprocess.Popen(
            [sys.executable, "-m", "cli.main", "migrate"],
            env=os.environ | {"TOCSIN_DATABASE_URL": empty_database_url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    results = [program.communicate(timeout=60) for program in programs]
    assert [program.returncode for program in programs] == [0, 0, 0], results
    assert all(stdout.startswith("The schema is at ") for stdout, _ in results)
