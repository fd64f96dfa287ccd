"""Workers of one queue running, and what is done with them: jobs are put in, and drained."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench.harness import Servers
from bench.processes import Measured, measured
from bench.programs import several
from bench.queue_rows import clear_rows, wait_for_rows
from bench.queue_systems import System
from bench.told import Told

PRODUCE_SECONDS = 120.0
WARM_JOBS = 20
"""Jobs a worker that count for nothing."""


@dataclass(frozen=True)
class Running:
    """A system with its workers running, warm once `warm` has returned."""

    system: System
    servers: Servers
    told: Told
    workers: Sequence[Measured]

    @property
    def cpu_seconds(self) -> float:
        """CPU of all workers so far."""
        return sum(worker.cpu_seconds for worker in self.workers)

    def produce(self, action: str, count: int, rate: float = 0.0) -> None:
        """Run a producer to its end."""
        with self.producing(action, count, rate) as producer:
            producer.wait(PRODUCE_SECONDS)

    @contextmanager
    def producing(self, action: str, count: int, rate: float = 0.0) -> Iterator[Measured]:
        """Run a producer in a process of its own for the block."""
        system = self.system
        argv = [str(system.python), "-m", "bench.peers.produce", system.queue, action, str(count), str(rate)]
        environment = _environment_of(system, self.servers, self.told)
        name = f"{system.slug}-{action}"
        with measured(name, argv, log_dir=self.servers.directory, environment=environment) as producer:
            yield producer

    @contextmanager
    def filled(self, jobs: int) -> Iterator[None]:
        """Fill the queue while the workers are paused, and let them go at the end of the block."""
        # Not while the workers are paused: one of them may stand still inside a transaction.
        self.clear()
        with ExitStack() as pauses:
            for worker in self.workers:
                pauses.enter_context(worker.paused())
            self.produce("fill", jobs)
            yield

    def clear(self) -> None:
        """Forget what was told, and the rows."""
        self.told.clear()
        if self.system.has_rows:
            asyncio.run(clear_rows(self.servers))

    def wait(self, jobs: int) -> tuple[float, float]:
        """When the first of so many jobs began and the last one ended; with rows, as they have it."""
        span = self.told.wait_for(jobs)
        return asyncio.run(wait_for_rows(self.servers)) if self.system.has_rows else span

    def warm(self) -> None:
        """Wait until every worker has had its chance to run jobs, and forget them."""
        self.produce("fill", WARM_JOBS * len(self.workers))
        self.wait(WARM_JOBS * len(self.workers))
        self.clear()


def _environment_of(system: System, servers: Servers, told: Told) -> dict[str, str]:
    return {**servers.environment(), **servers.peer_environment(), **told.environment, **system.environment}


@contextmanager
def running(system: System, servers: Servers, *, workers: int) -> Iterator[Running]:
    """Run workers of the system for the block, and warm them up."""
    told = Told(servers.directory, system.slug)
    environment = _environment_of(system, servers, told)
    with several(system.slug, system.worker, count=workers, log_dir=servers.directory, environment=environment) as on:
        here = Running(system, servers, told, on)
        here.clear()
        here.warm()
        yield here
