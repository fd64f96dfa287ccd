"""The `tocsin` command. Each command imports what it needs when it is called, so that none waits for the others."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.check import check
from cli.lifeline import end_when_stdin_closes

app = typer.Typer(
    name="tocsin",
    help="A self-hosted distributed monitoring backend.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(check)

if TYPE_CHECKING:
    from shared.settings import Settings

EXIT_REFUSED = 2
EXIT_DATABASE_AWAY = 4

UntilStdinCloses = Annotated[bool, typer.Option("--until-stdin-closes", hidden=True)]


def read_settings() -> "Settings":
    """The settings of the environment, or the end of the command with what is wrong and where."""
    from pydantic import ValidationError  # noqa: PLC0415

    from shared.settings import Settings  # noqa: PLC0415

    try:
        return Settings()
    except ValidationError as error:
        for mistake in error.errors(include_input=False):
            typer.echo(f"tocsin: TOCSIN_{str(mistake['loc'][0]).upper()}: {mistake['msg']}", err=True)
        raise typer.Exit(EXIT_REFUSED) from None


@app.command()
def up(
    workers: Annotated[
        int | None, typer.Option(min=0, max=64, help="Worker processes, instead of TOCSIN_WORKERS.")
    ] = None,
) -> None:
    """Start everything: servers where no address is set, migrations, the API and workers. Ctrl-C stops it all."""
    from cli.up import run_up  # noqa: PLC0415

    settings = read_settings()
    raise typer.Exit(run_up(settings, workers=settings.workers if workers is None else workers))


@app.command()
def api(*, until_stdin_closes: UntilStdinCloses = False) -> None:
    """Serve the API, with the servers of TOCSIN_DATABASE_URL and TOCSIN_REDIS_URL."""
    from api.main import serve  # noqa: PLC0415

    if until_stdin_closes:
        end_when_stdin_closes()
    serve(read_settings())


@app.command()
def worker(
    queues: Annotated[str, typer.Option(help="What to work on, separated by commas.")] = "collect,notify,requeue,round",
    *,
    until_stdin_closes: UntilStdinCloses = False,
) -> None:
    """Run one worker process."""
    from worker.main import ALL_QUEUES, serve  # noqa: PLC0415

    names = [name.strip() for name in queues.split(",")]
    if unknown := set(names) - set(ALL_QUEUES):
        raise typer.BadParameter(f"unknown {', '.join(sorted(unknown))}; there are {', '.join(ALL_QUEUES)}")
    if until_stdin_closes:
        end_when_stdin_closes()
    serve(read_settings(), queues=names)


@app.command()
def migrate() -> None:
    """Bring the schema of TOCSIN_DATABASE_URL up to date; safe to run anywhere, any time, several at once."""
    from cli.migrate import DatabaseAwayError  # noqa: PLC0415
    from cli.migrate import migrate as run  # noqa: PLC0415
    from shared.storage.schema import HEAD  # noqa: PLC0415

    database_url = read_settings().database_url
    if database_url is None:
        typer.echo("tocsin migrate: set TOCSIN_DATABASE_URL; `tocsin up` migrates its own database itself", err=True)
        raise typer.Exit(EXIT_REFUSED)
    try:
        run(database_url.get_secret_value())
    except DatabaseAwayError as error:
        typer.echo(f"tocsin migrate: {error}", err=True)
        raise typer.Exit(EXIT_DATABASE_AWAY) from error
    typer.echo(f"The schema is at {HEAD}.")


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def keys(context: typer.Context) -> None:
    """Make, list and revoke API keys."""
    from cli.keys import keys as group  # noqa: PLC0415

    group(context.args, prog_name="tocsin keys")


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def secrets(context: typer.Context) -> None:
    """Make keys that seal secrets, and change them."""
    from cli.secrets import secrets as group  # noqa: PLC0415

    group(context.args, prog_name="tocsin secrets")


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def rules(context: typer.Context) -> None:
    """Test rules against examples."""
    from cli.rules import rules as group  # noqa: PLC0415

    group(context.args, prog_name="tocsin rules")


@app.command()
def doctor(
    *,
    drill: Annotated[
        bool, typer.Option("--drill", help="Stage losses on a queue of nobody's, and time their repair.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Look at settings, servers, workers and jobs, and say what to do; exit 1 when something fails."""
    from cli.doctor import run_doctor  # noqa: PLC0415

    raise typer.Exit(run_doctor(read_settings(), with_drill=drill, as_json=as_json))


Files = Annotated[
    list[Path],
    typer.Option("--file", "-f", help="A YAML file, a directory of them, or - for standard input; repeatable."),
]
Owner = Annotated[str, typer.Option(help="Whose monitors these are; those of others are left alone.")]
Adopt = Annotated[bool, typer.Option("--adopt", help="Take over monitors of these names that belong to others.")]


@app.command()
def apply(
    file: Files,
    *,
    owner: Owner = "files",
    adopt: Adopt = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Make the monitors be what files say, once the plan was shown and agreed to.

    What the owner's files no longer name is deleted. Exit code 0: done, or nothing to do. 2: refused, nothing changed.
    """
    from cli.monitor_files import apply as run  # noqa: PLC0415

    raise typer.Exit(run(read_settings(), file, owner=owner, adopts=adopt, is_agreed=yes))


@app.command()
def diff(file: Files, *, owner: Owner = "files", adopt: Adopt = False) -> None:
    """Show what `apply` would change. Exit code 0: nothing. 1: something. 2: the files or the API are at fault."""
    from cli.monitor_files import diff as run  # noqa: PLC0415

    raise typer.Exit(run(read_settings(), file, owner=owner, adopts=adopt))


@app.command()
def export(
    *,
    owner: Annotated[str | None, typer.Option(help="Only monitors of this owner.")] = None,
    group: Annotated[str | None, typer.Option(help="Only monitors of this group.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="Only monitors with this label, team:web; repeatable.")
    ] = None,
) -> None:
    """Print the monitors as a file that `apply` reads; secrets are masked, references to them are not."""
    from cli.monitor_files import export as run  # noqa: PLC0415

    given = {"owner": owner, "group": group, "label": label}
    raise typer.Exit(run(read_settings(), {name: value for name, value in given.items() if value is not None}))


@app.command()
def listen(
    port: Annotated[int, typer.Option(min=0, max=65535, help="On loopback; 0 takes a free one.")] = 8011,
    secret: Annotated[str | None, typer.Option(help="Refuse webhooks that are not signed with this `whsec_…`.")] = None,
) -> None:
    """Receive webhooks and show them, and answer GET with `UP`: something to try a target or a channel against."""
    from cli.listen import listen as run  # noqa: PLC0415

    run(port, secret=secret)


@app.command()
def urls(
    *,
    database: Annotated[bool, typer.Option("--database", help="Only PostgreSQL's.")] = False,
    redis: Annotated[bool, typer.Option("--redis", help="Only Valkey's.")] = False,
) -> None:
    """Print the addresses of the embedded servers of `tocsin up`, for psql, backups, or a target of your own."""
    from cli.embedded.errors import EmbeddedServerError  # noqa: PLC0415
    from cli.embedded.servers import urls_of  # noqa: PLC0415

    try:
        found = urls_of(read_settings().data_dir)
    except EmbeddedServerError as error:
        typer.echo(f"tocsin urls: {error}", err=True)
        raise typer.Exit(1) from error
    if database or not redis:
        typer.echo(found.database_url)
    if redis or not database:
        typer.echo(found.redis_url)


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed  # noqa: PLC0415

    typer.echo(installed("tocsin"))


if __name__ == "__main__":
    app()
