"""Rows put where a test needs them, past the guard that allows only the changes a job's life has."""

from shared.storage.database import Database


async def plant(database: Database, statement: str, *parameters: object) -> None:
    """Run the statement with triggers off, for this transaction only."""
    async with database.transaction() as work:
        await work.run("set local session_replication_role = replica")
        await work.run(statement, *parameters)
