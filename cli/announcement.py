"""What `tocsin up` tells once it is up."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.markup import escape

from cli.embedded import EmbeddedServers
from cli.supervision import TocsinProcess
from shared.settings import Settings


def announce(settings: Settings, servers: EmbeddedServers, *, processes: Sequence[TocsinProcess]) -> None:
    """Print the address, whether a key is needed, what runs, where the data is, and how to stop."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]Tocsin listens at {address(settings)}[/bold]")
    for name, value in facts(settings, servers, processes=processes):
        console.print(f"  [dim]{name:<8}[/dim]  {escape(value)}")


def address(settings: Settings) -> str:
    """Where a browser finds it."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def facts(
    settings: Settings, servers: EmbeddedServers, *, processes: Sequence[TocsinProcess]
) -> Iterator[tuple[str, str]]:
    """Name and value of each line."""
    yield "key", key_fact(settings)
    yield "runs", ", ".join(f"{process.name} (pid {process.pid})" for process in processes)
    for server in servers.running:
        yield "", f"{server.name} (pid {server.pid}), log {server.log}"
    if servers.running:
        yield "data", str(servers.data_dir.absolute())
    for name, url in (("database", servers.database_url), ("redis", servers.redis_url)):
        if url is not None:
            yield name, f"yours, from TOCSIN_{name.upper()}_URL"
    yield "stop", "Ctrl-C; a second one hurries"


def key_fact(settings: Settings) -> str:
    """Whether a request needs an API key; the API decides by the same settings."""
    if settings.admin_key is not None:
        return "needed: TOCSIN_ADMIN_KEY, or one made by `tocsin keys create`"
    if settings.is_embedded and settings.is_loopback:
        return "none needed, for only this machine can reach it"
    return "needed: one made by `tocsin keys create`"
