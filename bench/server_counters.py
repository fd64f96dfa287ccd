"""What the servers count themselves: Valkey's commands and reads, PostgreSQL's transactions, the CPU of both."""

import asyncio
from dataclasses import dataclass
from typing import Any, cast

from redis import Redis

from bench.harness import Servers
from bench.queue_rows import written_transactions


@dataclass(frozen=True)
class Counters:
    """Since the servers started.

    `commands` are Valkey's, those inside scripts included; `reads` its reads from sockets, which are about its round
    trips; `transactions` those that wrote something; `cpu_seconds` of both servers.
    """

    commands: float
    reads: float
    transactions: float
    cpu_seconds: float

    @classmethod
    def read(cls, servers: Servers) -> "Counters":
        """What they tell now; asking costs a few of each itself."""
        with _redis(servers) as redis:
            by_command = cast("dict[str, dict[str, Any]]", redis.info("commandstats"))
            stats = cast("dict[str, int]", redis.info("stats"))
        commands = sum(counts["calls"] for counts in by_command.values())
        transactions = asyncio.run(written_transactions(servers))
        return cls(commands, stats["total_reads_processed"], transactions, servers.cpu_seconds)

    def per_job_since(self, before: "Counters", jobs: int) -> "Counters":
        """What was added, by job."""
        return Counters(
            (self.commands - before.commands) / jobs,
            (self.reads - before.reads) / jobs,
            (self.transactions - before.transactions) / jobs,
            (self.cpu_seconds - before.cpu_seconds) / jobs,
        )


def wipe_redis(servers: Servers) -> None:
    """Let Valkey forget everything."""
    with _redis(servers) as redis:
        redis.flushall()


def _redis(servers: Servers) -> Redis:
    return Redis(unix_socket_path=servers.redis_socket, socket_timeout=10)
