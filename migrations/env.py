"""Alembic's entrance: migrates one database in one transaction, one runner at a time.

The address is `config.attributes["database_url"]`, set by `tocsin migrate`, else the environment's TOCSIN_DATABASE_URL.
"""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.storage.sample.partitions import is_partition
from shared.storage.tables import metadata

RUNNERS_LOCK = 7_463_001
"""The advisory lock that runners queue for; a number of our own, nothing else uses it."""

LOCK_SECONDS = 120


def configure(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_server_default=True,
        transactional_ddl=True,
        include_name=lambda name, kind, _: kind != "table" or not is_partition(name or ""),
    )


def run(connection: Connection) -> None:
    configure(connection)
    with context.begin_transaction():
        # Taken inside the transaction and before the current revision is read: who waited finds the work done.
        connection.execute(text(f"select pg_advisory_xact_lock({RUNNERS_LOCK})"))
        context.run_migrations()


async def migrate(database_url: str) -> None:
    engine = create_async_engine(
        make_url(database_url).set(drivername="postgresql+asyncpg"),
        poolclass=NullPool,
        connect_args={
            "timeout": 10,
            "server_settings": {"application_name": "tocsin migrate", "lock_timeout": f"{LOCK_SECONDS}s"},
        },
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


def database_url() -> str:
    url = context.config.attributes.get("database_url") or os.environ.get("TOCSIN_DATABASE_URL")
    if not url:
        raise SystemExit("Set TOCSIN_DATABASE_URL to the database to migrate.")
    return str(url)


asyncio.run(migrate(database_url()))
