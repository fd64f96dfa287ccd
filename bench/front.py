"""The HTTP front: submissions, batches and status polls against a naive FastAPI application and sync Flask."""

import argparse
import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import md5
from uuid import UUID

from uuid_utils.compat import uuid7

from bench.contest import Contender, Figures, contest, contest_table
from bench.harness import Servers, execute, in_context, servers
from bench.load import has_wrk, run_wrk, write_lines
from bench.programs import HttpProgram, create_key, flask_app, naive_app, tocsin_api
from bench.report import number, publish, ratio, table
from shared.clock import utc_now
from shared.domain.job.jobs import JobKind, NewJob
from shared.services.job.job_submission import Submission
from shared.wiring import ProcessContext

JOBS = 10_000
BATCH = 1000
BATCH_CONNECTIONS = 4
TARGET = {
    "kind": "http",
    "url": "https://shop.example/health",
    "timeout": "5s",
    "labels": {"team": "web", "tier": "gold"},
    "conditions": ["[STATUS] == 200", "[RESPONSE_TIME] < 300", "[BODY].status == UP"],
}
JOB = {"kind": "collect", "targets": [TARGET]}

SUBMIT, SUBMIT_BATCH = "`POST /jobs`, 100 clients", "`POST /jobs:batch`, 1,000 items"
POLL, POLL_304 = "status poll, 100 clients", "status poll, 304"


@dataclass(frozen=True)
class Bench:
    """The three programs, what they are asked, and how long."""

    servers: Servers
    tocsin: HttpProgram
    naive: HttpProgram
    flask: HttpProgram
    key: str
    job_ids: list[UUID]
    naive_ids: list[UUID]
    seconds: float
    rounds: int

    def contend(self, program: HttpProgram, path: str, *script: str, units: int = 1) -> Contender:
        """A contender by a script of bench/lua with its arguments; `units` jobs a request by fewer clients."""
        connections = 100 if units == 1 else BATCH_CONNECTIONS
        run = partial(run_wrk, program.url + path, *script, connections=connections, seconds=self.seconds)
        return Contender(program.name, program.process, run, units=units)

    def contest(self, *contenders: Contender) -> dict[str, Figures]:
        """Run a contest within the program's bounds."""
        return contest(contenders, self.servers, rounds=self.rounds)

    def file(self, name: str, *lines: str) -> str:
        """A file that a script reads."""
        return write_lines(self.servers.directory / name, lines)


def submit(bench: Bench) -> dict[str, Figures]:
    """One collect job a request, durable."""
    body = bench.file("job.json", json.dumps(JOB))
    return bench.contest(
        bench.contend(bench.naive, "/jobs", "post.lua", body, "-"),
        bench.contend(bench.tocsin, "/api/v1/jobs", "post.lua", body, bench.key),
    )


def submit_batches(bench: Bench) -> dict[str, Figures]:
    """A thousand collect jobs a request."""
    body = bench.file("batch.json", json.dumps({"jobs": [JOB] * BATCH}))
    return bench.contest(
        bench.contend(bench.naive, "/jobs-batch", "post.lua", body, "-", units=BATCH),
        bench.contend(bench.tocsin, "/api/v1/jobs:batch", "post.lua", body, bench.key, units=BATCH),
    )


def poll(bench: Bench) -> dict[str, Figures]:
    """How one of ten thousand jobs stands, at random."""
    naive = bench.file("naive.txt", *(f"/jobs/{job_id}" for job_id in bench.naive_ids))
    flask = bench.file("flask.txt", *(f"/jobs/{job_id}" for job_id in bench.job_ids))
    ours = bench.file("ours.txt", *(f"/api/v1/jobs/{job_id}" for job_id in bench.job_ids))
    return bench.contest(
        bench.contend(bench.naive, "/", "get.lua", naive, "-"),
        bench.contend(bench.flask, "/", "get.lua", flask, "-"),
        bench.contend(bench.tocsin, "/", "get.lua", ours, bench.key),
    )


def poll_unchanged(bench: Bench) -> dict[str, Figures]:
    """The same with the entity tag of the latest version: 304."""
    flask = bench.file("flask-304.txt", *(f'/jobs/{job_id} "{_flask_tag(job_id)}"' for job_id in bench.job_ids))
    ours = bench.file("ours-304.txt", *(f'/api/v1/jobs/{job_id} "{job_id}-1"' for job_id in bench.job_ids))
    return bench.contest(
        bench.contend(bench.flask, "/", "get.lua", flask, "-"),
        bench.contend(bench.tocsin, "/", "get.lua", ours, bench.key),
    )


def _flask_tag(job_id: UUID) -> str:
    return md5(f"{job_id}-1".encode(), usedforsecurity=False).hexdigest()


def seed(on: Servers) -> list[UUID]:
    """Submit ten thousand jobs."""
    jobs = [
        NewJob(uuid7(), JobKind.COLLECT, json.dumps(JOB), utc_now(), max_attempts=3, principal_id="bench")
        for _ in range(JOBS)
    ]

    async def act(context: ProcessContext) -> None:
        for first in range(0, JOBS, BATCH):
            await context.submission.submit_many([Submission(job) for job in jobs[first : first + BATCH]])

    in_context(on, act)
    return [job.job_id for job in jobs]


def seed_naive(on: Servers) -> list[UUID]:
    """Give the naive application as many rows of its own."""
    ids = [uuid7() for _ in range(JOBS)]
    values = ",".join(f"('{job_id}')" for job_id in ids)
    statement = f"""
        insert into naive_jobs (id, kind, state, spec, created_at)
        select id::uuid, 'collect', 'queued', '{json.dumps(JOB)}', now() from (values {values}) as v (id)
    """
    asyncio.run(execute(on.peer_environment()["BENCH_PEER_URL"], statement))
    return ids


@contextmanager
def open_bench(seconds: float, rounds: int) -> Iterator[Bench]:
    """Start everything."""
    with servers() as on:
        key, job_ids = create_key(on), seed(on)
        with naive_app(on) as naive, flask_app(on, ready=f"/jobs/{job_ids[0]}") as flask, tocsin_api(on) as tocsin:
            yield Bench(on, tocsin, naive, flask, key, job_ids, seed_naive(on), seconds, rounds)


def summary(found: Mapping[str, Mapping[str, Figures]]) -> str:
    """The lines of the README's table."""
    rows = []
    for what, unit, peer, target in (
        (SUBMIT, "req/s", "naive", "≥ 8 x, p50 ≤ 10 ms"),
        (SUBMIT_BATCH, "items/s", "naive", "≥ 60,000 items/s"),
        (POLL, "req/s", "Flask", "≥ 20,000 req/s, ≥ 20 x Flask"),
        (POLL_304, "req/s", "Flask", "likewise"),
    ):
        theirs, ours = found[what][peer], found[what]["Tocsin"]
        figures = [f"{peer} {number(theirs.rate)} {unit}", f"{number(ours.rate)} {unit}"]
        rows.append([what, *figures, ratio(ours.rate, theirs.rate), ratio(theirs.cpu, ours.cpu), target])
    return table(["what", "peer", "ours", "ratio", "ratio by CPU", "target"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="length of one run")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if not has_wrk():
        print("front: skipped, there is no wrk (Debian: apt-get install wrk)")
        return
    with open_bench(arguments.seconds, arguments.rounds) as bench:
        found = {
            POLL: poll(bench),
            POLL_304: poll_unchanged(bench),
            SUBMIT: submit(bench),
            SUBMIT_BATCH: submit_batches(bench),
        }
    units = {SUBMIT_BATCH: "item"}
    details = [f"### {what}\n\n{contest_table(units.get(what, 'request'), figures)}" for what, figures in found.items()]
    publish("front", [summary(found), *details])


if __name__ == "__main__":
    main()
