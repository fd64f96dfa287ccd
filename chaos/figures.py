"""What must not grow while a Tocsin runs: read from the outside, and judged by how the last third differs."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import median

import asyncpg
import psutil
from redis.asyncio import Redis

from chaos.fleet import Fleet
from chaos.ground import Ground
from shared.live_events import STREAM

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Figures:
    """One reading. What grows with the jobs that are kept by design is told per job."""

    jobs: int
    api_rss_mb: float
    worker_rss_mb: float
    """The greatest of all workers."""
    redis_keys: int
    redis_mb: float
    """Without the live stream, which fills up to a bound of its own."""
    connections: int
    dead_rows_percent: float
    """Of `jobs`, dead rows against live ones."""
    bytes_per_job: float
    """The table `jobs` with its indexes and what is stored aside."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much a figure may grow between the middle and the last third: the greater of a part and an amount."""

    part: float
    amount: float


ALLOWED = {
    "api_rss_mb": Allowance(0.05, 4),
    "worker_rss_mb": Allowance(0.05, 4),
    "redis_keys": Allowance(0.2, 100),
    "redis_mb": Allowance(0.1, 0.5),
    "connections": Allowance(0, 3),
    "dead_rows_percent": Allowance(0.5, 10),
    "bytes_per_job": Allowance(0.1, 100),
}
"""Memory is let breathe by what an allocator keeps; queues by how many jobs happen to wait."""


def judge(readings: Sequence[Figures]) -> dict[str, str]:
    """The figures that grew, each with from where to where.

    The first third warms up: caches fill, pools open. Medians of the middle and the last third are compared, so that a
    single peak decides nothing and a steady growth does.
    """
    third = len(readings) // 3
    middle, last = readings[third : 2 * third], readings[2 * third :]
    if not middle:
        return {"readings": f"{len(readings)} are too few to judge"}
    grown = {}
    for name, allowance in ALLOWED.items():
        before = median(getattr(reading, name) for reading in middle)
        after = median(getattr(reading, name) for reading in last)
        if after - before > max(allowance.part * before, allowance.amount):
            grown[name] = f"grew from {before:.1f} to {after:.1f}"
    return grown


def header() -> str:
    """The names of the figures, in columns."""
    return "  ".join(field.name for field in fields(Figures))


def row(reading: Figures) -> str:
    """A reading under `header`."""
    return "  ".join(f"{getattr(reading, field.name):>{len(field.name)}.0f}" for field in fields(Figures))


async def read(ground: Ground, fleet: Fleet, redis: Redis) -> Figures:
    """Read everything once."""
    memory = await redis.info("memory")
    connection = await asyncpg.connect(ground.urls.database_url, timeout=10)
    try:
        jobs = await connection.fetchval("select count(*) from jobs")
        size = await connection.fetchval("select pg_total_relation_size('jobs')")
        connections = await connection.fetchval(
            "select count(*) from pg_stat_activity where backend_type = $1", _CLIENT
        )
        dead = await connection.fetchval("select n_dead_tup from pg_stat_user_tables where relname = 'jobs'")
    finally:
        await connection.close()
    return Figures(
        jobs=jobs,
        api_rss_mb=_rss_mb(fleet.api.pid),
        worker_rss_mb=max(_rss_mb(worker.pid) for worker in fleet.workers),
        redis_keys=await redis.dbsize(),
        redis_mb=(memory["used_memory"] - (await redis.memory_usage(STREAM) or 0)) / MEGABYTE,
        connections=connections,
        dead_rows_percent=100 * dead / max(jobs, 1),
        bytes_per_job=size / max(jobs, 1),
    )


_CLIENT = "client backend"


def _rss_mb(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / MEGABYTE
