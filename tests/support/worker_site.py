"""Workers as the processes they are, and a web server for their jobs to visit."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from job_bench import Bench, new_job
from secret_keys import SECRET_KEY

from shared.domain.job.jobs import Job, JobKind
from shared.services.job.job_submission import Accepted, Submission

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
PATIENCE_SECONDS = 60


@dataclass
class Site:
    """A web server that can be told to keep its visitors waiting."""

    visited: asyncio.Queue[None] = field(default_factory=asyncio.Queue)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request once the gate is open."""
        await reader.readuntil(b"\r\n\r\n")
        self.visited.put_nowait(None)
        await self.gate.wait()
        writer.write(ANSWER)
        writer.close()

    async def visit(self) -> None:
        """Wait for the next visitor."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.visited.get()


@asynccontextmanager
async def open_site() -> AsyncIterator[Site]:
    """A web server of the test's own."""
    site = Site()
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]
    yield site
    site.gate.set()
    server.close()


@asynccontextmanager
async def worker_process(database_url: str, redis_url: str, **settings: str) -> AsyncIterator[Process]:
    """A worker in a process of its own; whatever the test does to it, it is gone at the end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")} | {
        "TOCSIN_DATABASE_URL": database_url,
        "TOCSIN_REDIS_URL": redis_url,
        "TOCSIN_EGRESS_LOOPBACK": "true",
        "TOCSIN_SECRET_KEYS": SECRET_KEY,
        "TOCSIN_LEASE_SECONDS": "2",
        "TOCSIN_LOG_LEVEL": "error",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli.main", "worker", env=environment | settings
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await process.wait()


async def submit(bench: Bench, site: Site) -> Job:
    """Submit a job that visits the site."""
    spec = f'{{"targets": [{{"kind": "http", "url": "http://127.0.0.1:{site.port}/", "timeout": "60s"}}]}}'
    accepted = await bench.submission.submit(Submission(new_job(kind=JobKind.COLLECT, spec=spec)))
    assert isinstance(accepted, Accepted)
    return accepted.job


async def ended(bench: Bench, job: Job) -> Job:
    """The job once it is done; woken by its events, and looking again when one was missed."""
    told = asyncio.Event()
    listening = asyncio.create_task(bench.events.listen(lambda _: told.set(), reconnected=told.set))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (found := await bench.job(job.job_id)).is_done:
                await told.wait()
                told.clear()
        return found
    finally:
        listening.cancel()


async def count_samples(bench: Bench, job: Job) -> int:
    """How many samples of the job were recorded."""
    async with bench.database.transaction() as work:
        rows = await work.fetch("select count(*) as n from job_samples where job_id = $1", job.job_id)
        found: int = rows[0].n
        return found
