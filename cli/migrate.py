"""Brings a database's schema up to date, from a checkout or an installed wheel."""

from pathlib import Path

import migrations


def migrate(database_url: str) -> None:
    """Run the migrations that are missing; several may do so at once, all but one find nothing to do.

    Must not be called from a running event loop.
    """
    from alembic import command  # noqa: PLC0415 - slow to import, and most commands do not need it
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    script_location = str(Path(migrations.__file__).parent)
    config.set_main_option("script_location", script_location.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["database_url"] = database_url
    command.upgrade(config, "head")
