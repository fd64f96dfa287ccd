"""Real servers for the tests: started once per test process, migrated once, clean for each test."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from redis.asyncio import Redis
from sqlalchemy import make_url

from cli.embedded import EmbeddedServers, ServerUrls
from cli.migrate import migrate
from shared.live_events import publisher
from shared.storage.database import Database, create_engine
from shared.storage.tables import metadata
from shared.tasks import end_tasks

pytest_plugins = ["forbid_skips", "long_ones_first", "needed_programs"]

TEMPLATE = "tocsin_template"


def pytest_configure(config: pytest.Config) -> None:
    """On Python before 3.11.3 a time-out may swallow a cancel, and redis-py then lets go of an open connection."""
    if sys.version_info < (3, 11, 3):
        config.addinivalue_line("filterwarnings", "ignore:unclosed Connection <redis:ResourceWarning")


def url_of(servers: ServerUrls, name: str) -> str:
    """The address of another database of the same server."""
    return make_url(servers.database_url).set(database=name).render_as_string(hide_password=False)


def execute(servers: ServerUrls, statement: str) -> None:
    """Run one statement that cannot be part of a transaction, such as `create database`."""

    async def run() -> None:
        connection = await asyncpg.connect(url_of(servers, "postgres"), timeout=10)
        try:
            await connection.execute(statement, timeout=60)
        finally:
            await connection.close()

    asyncio.run(run())


@pytest.fixture(scope="session")
def short_dir() -> Iterator[Path]:
    """A directory with a short path, which the servers' user may enter also when the tests run as root."""
    directory = Path(tempfile.mkdtemp(prefix="tocsin-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def servers(short_dir: Path) -> Iterator[ServerUrls]:
    """An embedded PostgreSQL and Valkey of this test process, without fsync."""
    with EmbeddedServers(short_dir / "data", is_durable=False) as urls:
        yield urls


@pytest.fixture(scope="session")
def template(servers: ServerUrls) -> str:
    """The name of a migrated database that nobody connects to."""
    execute(servers, f"create database {TEMPLATE}")
    migrate(url_of(servers, TEMPLATE))
    return TEMPLATE


@pytest.fixture(scope="session")
def database_url(servers: ServerUrls, template: str) -> str:
    """A migrated database that the tests of this process share, one after the other; see `database`."""
    execute(servers, f"create database tocsin_test template {template}")
    return url_of(servers, "tocsin_test")


@pytest.fixture
def fresh_database_url(servers: ServerUrls, template: str) -> Iterator[str]:
    """A migrated database of the test's own, for races and for tests that start processes."""
    name = f"fresh_{uuid4().hex[:12]}"
    execute(servers, f"create database {name} template {template}")
    yield url_of(servers, name)
    execute(servers, f"drop database {name} with (force)")


@pytest.fixture
def empty_database_url(servers: ServerUrls) -> Iterator[str]:
    """A database without any table, for what migrates by itself."""
    name = f"empty_{uuid4().hex[:12]}"
    execute(servers, f"create database {name}")
    yield url_of(servers, name)
    execute(servers, f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def redis_url(servers: ServerUrls) -> str:
    """The Valkey of this test process."""
    return servers.redis_url


@pytest.fixture(scope="session")
async def shared_database(database_url: str) -> AsyncIterator[Database]:
    """The engine all tests of this process use."""
    database = Database(create_engine(database_url, pool_size=8, name="tests"))
    yield database
    await database.close()


@pytest.fixture
async def database(shared_database: Database) -> AsyncIterator[Database]:
    """A migrated database whose tables are empty when the test starts; what the test commits is removed after it."""
    yield shared_database
    tables = ", ".join(table.name for table in metadata.sorted_tables)
    async with shared_database.transaction() as work:
        await work.run(f"truncate {tables} restart identity cascade")


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of an empty Valkey."""
    client = Redis.from_url(redis_url, socket_timeout=10)
    await client.flushall()
    yield client
    # They tell in the background, and try again; none may open the closed client anew.
    await end_tasks(task for task in asyncio.all_tasks() if task.get_name() == publisher.TASK_NAME)
    await client.aclose()
