"""Brings a database's schema up to date, from a checkout or an installed wheel."""

import time
from pathlib import Path

import migrations

WAIT_SECONDS = 30.0
"""How long a database may take to answer; it may be starting at the same time."""

RETRY_SECONDS = 0.5


class DatabaseAwayError(RuntimeError):
    """The database to migrate does not answer; the message says what to do."""


def migrate(database_url: str, *, wait_seconds: float = WAIT_SECONDS) -> None:
    """Run the migrations that are missing; several may do so at once, all but one find nothing to do.

    Must not be called from a running event loop. Raises `DatabaseAwayError`.
    """
    from shared.storage.errors import is_unavailable  # noqa: PLC0415 - slow to import, and few commands need it

    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return _upgrade(database_url)
        except Exception as error:
            if not is_unavailable(error):
                raise
            if time.monotonic() >= deadline:
                raise DatabaseAwayError(
                    f"the database does not answer ({error}). Check TOCSIN_DATABASE_URL and the server it names."
                ) from error
        time.sleep(RETRY_SECONDS)


def _upgrade(database_url: str) -> None:
    from alembic import command  # noqa: PLC0415 - slow to import, and few commands need it
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    script_location = str(Path(migrations.__file__).parent)
    config.set_main_option("script_location", script_location.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["database_url"] = database_url
    command.upgrade(config, "head")
