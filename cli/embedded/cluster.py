"""A PostgreSQL cluster on disk: made once and whole, and only opened by its own major version."""

import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path

from cli.embedded.errors import EmbeddedServerError
from cli.embedded.layout import Layout

OWNER = "tocsin"
"""The superuser and the database of the cluster."""

PASSWORD_FILE = "postgres.password"  # noqa: S105 - the name of a file

PROGRAM_SECONDS = 120.0
"""What each of PostgreSQL's programs may take; initdb writes and syncs 40 MB."""

UNICODE_SINCE_MAJOR = 17
"""From this version on PostgreSQL itself knows Unicode's letters, whatever locales the system has."""

ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC"}


def ensure_cluster(layout: Layout, programs: Path, *, is_durable: bool) -> Path:
    """The cluster's directory, made if there is none; raises `EmbeddedServerError` for another major version's."""
    data = layout.data_dir / "postgres"
    major = major_version(layout, programs)
    if data.exists():
        check_major(data, major)
    else:
        create_cluster(layout, programs, major=major, is_durable=is_durable).rename(data)
    return data


def major_version(layout: Layout, programs: Path) -> int:
    """What the program says of itself."""
    version = run_program(layout, [str(programs / "postgres"), "--version"])
    found = re.search(r"(\d+)", version)
    if found is None:
        raise EmbeddedServerError(f"{programs / 'postgres'} does not say its version: {version}")
    return int(found.group(1))


def check_major(data: Path, major: int) -> None:
    """PostgreSQL's files belong to one major version."""
    data_major = (data / "PG_VERSION").read_text().strip()
    if data_major != str(major):
        raise EmbeddedServerError(
            f"The data in {data} was made by PostgreSQL {data_major}, this is PostgreSQL {major}. Install Tocsin with "
            f"the embedded PostgreSQL {data_major} and move the data with pg_dump, or set TOCSIN_DATA_DIR to a new "
            "directory."
        )


def create_cluster(layout: Layout, programs: Path, *, major: int, is_durable: bool) -> Path:
    """Make cluster and database beside their place, to be moved there whole, so that a half one never counts."""
    unfinished = layout.data_dir / "postgres.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    layout.private(unfinished.name)
    locale = ["--no-locale"]
    if major >= UNICODE_SINCE_MAJOR:
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    sync = [] if is_durable else ["--no-sync"]
    program = [str(programs / "initdb"), "-D", str(unfinished), "-U", OWNER, "--encoding=UTF8", *locale, *sync]
    run_program(layout, [*program, "--auth-local=trust", "--auth-host=reject", "--no-instructions"])
    single = [str(programs / "postgres"), "--single", "-D", str(unfinished), "-c", "log_checkpoints=off", "postgres"]
    password = make_password(layout.data_dir)
    run_program(layout, single, stdin=f'create database "{OWNER}"\nalter role "{OWNER}" password \'{password}\'\n')
    rules = unfinished / "pg_hba.conf"
    rules.write_text(rules.read_text().replace("trust", "scram-sha-256"))
    return unfinished


def make_password(data_dir: Path) -> str:
    """Make the superuser's password and keep it in a file of our own.

    Without one, whoever may submit a job could have a worker look into Tocsin's own database by its socket.
    """
    password = secrets.token_urlsafe(24)
    path = data_dir / PASSWORD_FILE
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password)
    return password


def read_password(data_dir: Path) -> str:
    """The superuser's password.

    Raises:
        EmbeddedServerError: the file is gone, or another user's.
    """
    path = data_dir / PASSWORD_FILE
    try:
        return path.read_text()
    except OSError as error:
        raise EmbeddedServerError(f"{path}, the database's password, cannot be read: {error.strerror}.") from error


def run_program(layout: Layout, argv: list[str], *, stdin: str = "") -> str:
    """Run one of PostgreSQL's programs as the servers' account; its output."""
    try:
        # Programs found by `postgres_tree`, words of ours.
        done = subprocess.run(  # noqa: S603
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PROGRAM_SECONDS,
            check=True,
            cwd="/",
            env=ENVIRONMENT,
            user=layout.account.uid,
            group=layout.account.gid,
            extra_groups=[] if layout.account.is_other else None,
        )
    except subprocess.CalledProcessError as error:
        raise EmbeddedServerError(f"{argv[0]} failed:\n{error.stderr or error.stdout}") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedServerError(f"{argv[0]} could not be run: {error}") from error
    return done.stdout
