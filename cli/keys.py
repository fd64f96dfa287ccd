"""`tocsin keys`: making, listing and revoking API keys beside the running API."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from cli.embedded.postgres import find_database_url
from shared.clock import utc_now
from shared.domain.access import ApiKey, Scope
from shared.services.access import Access
from shared.settings import Settings
from shared.storage.database import Database, create_engine

ResultT = TypeVar("ResultT")

PRINCIPAL = "command-line"
"""Who made a key is shown with it."""

keys = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[Scope, typer.Option(help="read, submit (and read), or admin (and all).")] = Scope.SUBMIT,
) -> None:
    """Make a key and print it; it is shown this once."""
    created = _with_access(lambda access: access.create(name, scope, created_by=PRINCIPAL))
    typer.echo(created.secret)


@keys.command(name="list")
def list_keys() -> None:
    """List all keys, the newest first."""
    table = Table("id", "name", "scope", "begins", "made", "by", "state")
    for key in _with_access(lambda access: access.list_keys()):
        table.add_row(
            str(key.key_id),
            key.name,
            key.scope.value,
            f"tocsin_{key.scope}_{key.hint}…",
            f"{key.created_at:%Y-%m-%d %H:%M}",
            key.created_by,
            _state_of(key),
        )
    Console().print(table)


@keys.command()
def revoke(key_id: Annotated[UUID, typer.Argument(help="The key's id, from `tocsin keys list`.")]) -> None:
    """Revoke a key for good; every process knows within seconds."""
    key = _with_access(lambda access: access.revoke(key_id))
    if key is None:
        typer.echo(f"there is no key {key_id}; `tocsin keys list` shows them all", err=True)
        raise typer.Exit(1)
    typer.echo(f"revoked {key.name}")


def _state_of(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d %H:%M}"
    if key.expires_at is not None:
        return f"expires {key.expires_at:%Y-%m-%d %H:%M}" if key.is_valid_at(utc_now()) else "expired"
    return "valid"


def _with_access(use: Callable[[Access], Awaitable[ResultT]]) -> ResultT:
    settings = Settings()
    database_url = (
        settings.database_url.get_secret_value() if settings.database_url else find_database_url(settings.data_dir)
    )
    if database_url is None:
        typer.echo("start `tocsin up`, or set TOCSIN_DATABASE_URL to the database whose keys you mean", err=True)
        raise typer.Exit(2)

    async def run() -> ResultT:
        database = Database(create_engine(database_url, pool_size=2, name="tocsin-keys"))
        try:
            return await use(Access(database, clock=utc_now))
        finally:
            await database.close()

    return asyncio.run(run())
