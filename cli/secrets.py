"""`tocsin secrets`: making keys that seal secrets, and sealing everything anew by a new one."""

import asyncio

import typer
from rich.console import Console
from rich.table import Table

from cli.embedded.errors import EmbeddedServerError
from cli.embedded.postgres import find_database_url
from cli.embedded.secret_keys import find_secret_keys
from shared.services.secret.key_rotation import KeyRotation, Rotated
from shared.settings import Settings
from shared.storage.database import Database, create_engine
from shared.storage.errors import StorageUnavailableError
from shared.storage.secret.sealed_store import SealedPlace
from shared.vault import InvalidKeyError, NoSecretKeyError, Vault, new_key

EXIT_INCOMPLETE = 1
EXIT_REFUSED = 2
EXIT_DATABASE_AWAY = 4

secrets = typer.Typer(help="Make keys that seal secrets, and change them.", no_args_is_help=True)


@secrets.command(name="new-key")
def make_key() -> None:
    """Print a new key for TOCSIN_SECRET_KEYS; it is kept nowhere."""
    typer.echo(new_key())


@secrets.command()
def rotate() -> None:
    """Seal everything anew by the first key of TOCSIN_SECRET_KEYS, while everything runs; safe to repeat."""
    settings = Settings()
    database_url = (
        settings.database_url.get_secret_value() if settings.database_url else find_database_url(settings.data_dir)
    )
    if database_url is None:
        typer.echo("start `tocsin up`, or set TOCSIN_DATABASE_URL to the database whose secrets you mean", err=True)
        raise typer.Exit(EXIT_REFUSED)
    try:
        done = asyncio.run(_rotate(database_url, _vault_of(settings)))
    except (EmbeddedServerError, InvalidKeyError, NoSecretKeyError) as error:
        typer.echo(f"tocsin secrets: {error}", err=True)
        raise typer.Exit(EXIT_REFUSED) from None
    except StorageUnavailableError:
        typer.echo("tocsin secrets: the database does not answer; what was resealed stays so, repeat it", err=True)
        raise typer.Exit(EXIT_DATABASE_AWAY) from None
    _show(done)
    if not all(each.is_whole for each in done):
        typer.echo("keep the older keys: not everything is sealed by the first one; repeat this", err=True)
        raise typer.Exit(EXIT_INCOMPLETE)


def _vault_of(settings: Settings) -> Vault:
    given = settings.secret_keys.get_secret_value() if settings.secret_keys else None
    vault = Vault.of_setting(given or find_secret_keys(settings.data_dir))
    if not vault.has_key:
        raise NoSecretKeyError
    return vault


async def _rotate(database_url: str, vault: Vault) -> list[Rotated]:
    database = Database(create_engine(database_url, pool_size=2, name="tocsin-secrets"))
    try:
        rotation = KeyRotation(database, vault)
        return [await rotation.rotate(place) for place in SealedPlace]
    finally:
        await database.close()


def _show(done: list[Rotated]) -> None:
    table = Table("what", "resealed", "were current", "unreadable", "changed meanwhile")
    for each in done:
        counts = (each.resealed, each.current, each.unreadable, each.changed)
        table.add_row(each.place.value, *(str(count) for count in counts))
    Console().print(table)
