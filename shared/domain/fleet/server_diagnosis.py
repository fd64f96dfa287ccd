"""What the doctor makes of what PostgreSQL and Redis say of themselves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shared.domain.fleet.diagnosis import Finding, Level

OLDEST_POSTGRESQL = 15
"""Older majors get no more fixes from their makers (postgresql.org/support/versioning)."""
OLDEST_REDIS = (6, 2)
"""The first with ZMSCORE, by which lost rings are found."""
SKEW_WARNED_SECONDS = 2.0
SKEW_FAILED_SECONDS = 60.0
DEAD_ROWS_WARNED = 100_000


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What a PostgreSQL says of itself; `skew_seconds` is how far its clock is ahead of this machine's."""

    version_num: int
    version: str
    revision: str | None
    skew_seconds: float
    max_connections: int
    connections: int
    has_autovacuum: bool
    dead_rows: int
    live_rows: int


def judge_database(facts: DatabaseFacts, *, needed_revision: str) -> Iterator[Finding]:
    """The version, the schema and the clock."""
    if facts.version_num < OLDEST_POSTGRESQL * 10_000:
        yield Finding(
            "postgresql",
            Level.WARN,
            facts.version,
            f"use PostgreSQL {OLDEST_POSTGRESQL} or newer; 18 is what is tested",
        )
    else:
        yield Finding("postgresql", Level.OK, facts.version)
    if facts.revision is None or facts.revision < needed_revision:
        found = facts.revision or "missing"
        yield Finding("schema", Level.FAIL, f"{found}, {needed_revision} is needed", "run `tocsin migrate`")
    else:
        yield Finding("schema", Level.OK, facts.revision)
    yield _judge_skew(facts.skew_seconds)


def _judge_skew(skew_seconds: float) -> Finding:
    message = f"PostgreSQL's is {abs(skew_seconds):.3f} s {'ahead of' if skew_seconds > 0 else 'behind'} this machine's"
    if abs(skew_seconds) > SKEW_FAILED_SECONDS:
        return Finding("clock", Level.FAIL, message, "set both by NTP: what is due later is due at the wrong time")
    if abs(skew_seconds) > SKEW_WARNED_SECONDS:
        return Finding("clock", Level.WARN, message, "set both by NTP; leases are safe, times shown are off by that")
    return Finding("clock", Level.OK, message)


def judge_connections(facts: DatabaseFacts, *, workers: int, pool_size: int) -> Finding:
    """Whether all processes may open their whole pool at once, workers one more; one API is assumed."""
    wanted = pool_size + workers * (pool_size + 1)
    message = f"{facts.connections} of {facts.max_connections} in use; an API and {workers} workers may open {wanted}"
    if facts.connections >= facts.max_connections * 0.95:
        advice = "raise max_connections, or lower TOCSIN_DATABASE_POOL_SIZE"
        return Finding("connections", Level.FAIL, message, advice)
    if wanted > facts.max_connections:
        advice = "raise max_connections, or lower TOCSIN_DATABASE_POOL_SIZE"
        return Finding("connections", Level.WARN, message, advice)
    return Finding("connections", Level.OK, message)


def judge_vacuum(facts: DatabaseFacts) -> Finding:
    """Whether the rows that jobs leave behind are cleaned up."""
    if not facts.has_autovacuum:
        return Finding("autovacuum", Level.FAIL, "off", "turn it on: each job rewrites its row several times")
    message = f"on; {facts.dead_rows} dead rows of jobs beside {facts.live_rows} live ones"
    if facts.dead_rows > max(DEAD_ROWS_WARNED, facts.live_rows):
        advice = (
            "look for old transactions in pg_stat_activity, and give autovacuum more workers or a higher cost limit"
        )
        return Finding("autovacuum", Level.WARN, message, advice)
    return Finding("autovacuum", Level.OK, message)


def judge_redis(info: Mapping[str, object] | None) -> Iterator[Finding]:
    """The version, the memory and the disk, from the answer to INFO; None where an ACL forbids it."""
    if info is None:
        yield Finding("redis", Level.WARN, "INFO is forbidden", "allow +info, or look at its settings yourself")
        return
    yield _judge_redis_version(info)
    yield _judge_memory(info)
    yield Finding("persistence", Level.OK, _persistence(info))


def _persistence(info: Mapping[str, object]) -> str:
    if info.get("aof_enabled"):
        return "append-only file"
    return "no append-only file: after a restart, what no snapshot has is rung again"


def _judge_redis_version(info: Mapping[str, object]) -> Finding:
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = str(info.get("valkey_version") or info.get("redis_version") or "unknown")
    spoken = tuple(int(part) for part in str(info.get("redis_version", "0")).split(".")[:2] if part.isdigit())
    message = f"{name} {version}"
    if info.get("role") not in {None, "master"}:
        return Finding("redis", Level.FAIL, f"{message}, a replica", "point TOCSIN_REDIS_URL at the primary")
    if spoken < OLDEST_REDIS:
        return Finding("redis", Level.FAIL, message, "use Redis 6.2, any Valkey, or newer")
    return Finding("redis", Level.OK, message)


def _judge_memory(info: Mapping[str, object]) -> Finding:
    used, limit = int(str(info.get("used_memory", 0))), int(str(info.get("maxmemory", 0)))
    policy = str(info.get("maxmemory_policy", "unknown"))
    message = f"{used / 2**20:.0f} MiB used" + (f" of {limit / 2**20:.0f}" if limit else "") + f", policy {policy}"
    if limit and used > limit * 0.9:
        return Finding(
            "memory", Level.FAIL, message, "raise maxmemory: rings are refused, and come late, when it is full"
        )
    if policy != "noeviction":
        advice = "set maxmemory-policy noeviction: an evicted ring comes back only after seconds"
        return Finding("memory", Level.WARN, message, advice)
    return Finding("memory", Level.OK, message)
