"""The programs that are measured: Tocsin's own processes as they are shipped, and the peers."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.harness import Servers, answers, free_port, in_context
from bench.processes import Measured, measured
from shared.domain.access import Scope
from shared.services.access import Access
from shared.wiring import ProcessContext


@dataclass(frozen=True)
class HttpProgram:
    """A server, what it is called in tables, and its base URL."""

    name: str
    process: Measured
    url: str


@contextmanager
def tocsin_api(servers: Servers, *, environment: Mapping[str, str] | None = None) -> Iterator[HttpProgram]:
    """Run the API with a key needed and its access log on."""
    port = free_port()
    argv = [sys.executable, "-m", "cli.main", "api"]
    variables = servers.environment(TOCSIN_PORT=str(port), **(environment or {}))
    with measured("tocsin-api", argv, log_dir=servers.directory, environment=variables) as process:
        process.wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"))
        yield HttpProgram("Tocsin", process, f"http://127.0.0.1:{port}")


def create_key(servers: Servers) -> str:
    """Make an API key that may submit."""

    async def act(context: ProcessContext) -> str:
        access = Access(context.database, clock=context.clock)
        return (await access.create("bench", Scope.SUBMIT, created_by="bench")).secret

    return in_context(servers, act)


@contextmanager
def tocsin_workers(
    servers: Servers, *, count: int = 1, is_no_op: bool = False, environment: Mapping[str, str] | None = None
) -> Iterator[list[Measured]]:
    """Run workers: the real ones, or ones whose jobs have no work in them."""
    argv = [sys.executable, "-m", "bench.no_op_worker"] if is_no_op else [sys.executable, "-m", "cli.main", "worker"]
    variables = servers.environment(**(environment or {}))
    with several("tocsin-worker", argv, count=count, log_dir=servers.directory, environment=variables) as workers:
        for worker in workers:
            worker.wait_for_log("worker_ready")
        yield workers


@contextmanager
def naive_app(servers: Servers) -> Iterator[HttpProgram]:
    """Run the naive FastAPI application; its server has no access log."""
    uvicorn = ("uvicorn", "bench.peers.naive:app", "--no-access-log", "--log-level", "warning", "--port")
    with _peer_app(servers, "naive", uvicorn, ready="/openapi.json") as program:
        yield program


@contextmanager
def flask_app(servers: Servers, *, ready: str) -> Iterator[HttpProgram]:
    """Run the Flask application under one sync worker of gunicorn; `ready` is a path that it answers."""
    gunicorn = ("gunicorn", "bench.peers.flask_app:app", "--workers", "1", "--worker-class", "sync", "--bind")
    with _peer_app(servers, "Flask", gunicorn, ready=ready) as program:
        yield program


@contextmanager
def stock_workers(servers: Servers, settings: str, *, told: Path, count: int = 1) -> Iterator[list[Measured]]:
    """Run stock ARQ workers by ARQ's own command; `settings` is a class of `bench.peers.stock_arq`."""
    argv = [sys.executable, "-m", "arq", f"bench.peers.stock_arq.{settings}"]
    variables = servers.peer_environment(BENCH_TOLD=str(told), BENCH_UVLOOP="1" if settings == "Tuned" else "")
    with several(f"arq-{settings}", argv, count=count, log_dir=servers.directory, environment=variables) as workers:
        for worker in workers:
            worker.wait_for_log("Starting worker")
        yield workers


@contextmanager
def _peer_app(servers: Servers, name: str, argv: Sequence[str], *, ready: str) -> Iterator[HttpProgram]:
    port = free_port()
    place = str(port) if argv[-1] == "--port" else f"127.0.0.1:{port}"
    command = [sys.executable, "-m", *argv, place]
    environment = servers.peer_environment()
    with measured(name, command, log_dir=servers.directory, environment=environment) as process:
        process.wait_until(lambda: answers(f"http://127.0.0.1:{port}{ready}"))
        yield HttpProgram(name, process, f"http://127.0.0.1:{port}")


@contextmanager
def several(
    name: str, argv: Sequence[str], *, count: int, log_dir: Path, environment: Mapping[str, str]
) -> Iterator[list[Measured]]:
    with ExitStack() as stack:
        runs = [measured(f"{name}-{n}", argv, log_dir=log_dir, environment=environment) for n in range(count)]
        yield [stack.enter_context(run) for run in runs]
