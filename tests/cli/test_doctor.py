"""`tocsin doctor`, against real servers."""

import asyncio
import json
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog
from redis import Redis
from typer.testing import CliRunner, Result

from cli.main import app
from shared.domain.fleet.workers import WorkerReport, WorkerState
from shared.storage.database import Database, create_engine
from shared.storage.fleet.worker_store import WorkerStore

Doctor = Callable[..., Result]
WORKER = WorkerReport(
    worker_id="host:1:abc",
    host="host",
    pid=1,
    version=version("tocsin"),
    queues=["tocsin:notify"],
    slots=10,
    busy=0,
    loop_lag_ms=0.0,
    rss_bytes=0.0,
    lease_seconds=600.0,
    state=WorkerState.RUNNING,
)


@pytest.fixture
def doctor(
    fresh_database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Doctor]:
    """Runs the command on a database of the test's own and an empty Valkey."""
    monkeypatch.setenv("TOCSIN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TOCSIN_DATABASE_URL", fresh_database_url)
    monkeypatch.setenv("TOCSIN_REDIS_URL", redis_url)
    with Redis.from_url(redis_url) as client:
        client.flushall()
    yield lambda *arguments: CliRunner().invoke(app, ["doctor", *arguments], catch_exceptions=False)
    structlog.reset_defaults()


@pytest.fixture
def worker(fresh_database_url: str) -> None:
    """A worker that has just reported itself."""

    async def report() -> None:
        database = Database(create_engine(fresh_database_url, pool_size=2, name="tests"))
        async with database.transaction() as work:
            await WorkerStore(work).report(WORKER)
        await database.close()

    asyncio.run(report())


async def select(url: str, query: str) -> Any:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(query, timeout=10)
    finally:
        await connection.close()


def levels(result: Result) -> dict[str, str]:
    """The level of each finding of `--json`."""
    return {finding["name"]: finding["level"] for finding in json.loads(result.stdout)["findings"]}


def test_a_sound_installation_has_nothing_to_do(doctor: Doctor, worker: None) -> None:
    """Every line is ok, nothing is advised, and the exit code is 0."""
    result = doctor()
    assert (result.exit_code, "→" in result.stdout) == (0, False), result.stdout
    assert {line.split()[0] for line in result.stdout.splitlines()} == {"ok"}


def test_what_fails_says_what_to_do(doctor: Doctor) -> None:
    """No worker is alive: exit code 1, and the line below says how to start one."""
    result = doctor()
    assert result.exit_code == 1
    failed, advice = next(
        pair
        for pair in zip(*(result.stdout.splitlines()[start:] for start in (0, 1)), strict=False)
        if "fail" in pair[0]
    )
    assert "none is alive" in failed
    assert "tocsin worker" in advice


def test_a_redis_that_is_away_hides_nothing_else(
    doctor: Doctor, worker: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The database and the jobs are looked at all the same; a drill is refused."""
    monkeypatch.setenv("TOCSIN_REDIS_URL", f"unix://{tmp_path}/nobody.sock")
    result = doctor("--json", "--drill")
    found = levels(result)
    assert (result.exit_code, found.pop("redis"), set(found.values())) == (1, "fail", {"ok"})
    assert "rings" in found
    assert json.loads(result.stdout)["drill_failure"].startswith("not done")


def test_an_old_schema_is_told(doctor: Doctor, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database without a schema is named as what it is, not as an error."""
    monkeypatch.setenv("TOCSIN_DATABASE_URL", empty_database_url)
    result = doctor()
    assert result.exit_code == 1
    assert "run `tocsin migrate`" in result.stdout


def test_without_servers_it_says_what_to_set(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an address is set nor does `tocsin up` run."""
    monkeypatch.delenv("TOCSIN_DATABASE_URL")
    monkeypatch.delenv("TOCSIN_REDIS_URL")
    result = doctor()
    assert result.exit_code == 1
    assert "TOCSIN_DATABASE_URL" in result.stdout


def test_a_wrong_egress_is_found_before_a_worker_stumbles_over_it(
    doctor: Doctor, worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting is named."""
    monkeypatch.setenv("TOCSIN_WEBHOOK_EGRESS", "10.0.0.0/99")
    result = doctor("--json")
    assert levels(result)["egress"] == "fail"
    assert "TOCSIN_WEBHOOK_EGRESS" in result.stdout


def test_the_drill_proves_the_repair_and_leaves_nothing(
    doctor: Doctor, fresh_database_url: str, redis_url: str
) -> None:
    """Without a worker it repairs by itself and says so; each case holds, and rows and keys are gone after it."""
    result = doctor("--drill", "--json")
    drill = json.loads(result.stdout)["drill"]
    assert drill["repaired_by"] == "drill"
    assert [(case["case"], case["has_held"]) for case in drill["cases"]] == [
        ("unrung", True),
        ("dropped", True),
        ("vanished", True),
        ("late", True),
        ("duplicate", True),
    ]
    assert asyncio.run(select(fresh_database_url, "select count(*) from jobs")) == 0
    with Redis.from_url(redis_url) as client:
        assert sorted(client.keys("*")) == [b"tocsin:epoch", b"tocsin:live"]


def test_a_repair_that_never_comes_fails_the_drill(
    doctor: Doctor, worker: None, fresh_database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that reports itself but does no upkeep: exit code 1, the cases are named, nothing is left."""
    monkeypatch.setattr("shared.services.fleet.drill.PATIENCE_SECONDS", 0.2)
    result = doctor("--drill")
    assert result.exit_code == 1
    assert "repaired by 1 living worker" in result.stdout
    assert "not repaired within" in result.stdout
    assert asyncio.run(select(fresh_database_url, "select count(*) from jobs")) == 0
    with Redis.from_url(redis_url) as client:
        assert client.keys("tocsin:drill:*") == []
