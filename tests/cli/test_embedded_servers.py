import asyncio
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from processes import processes_of, wait_for
from redis import Redis

from cli.embedded import EmbeddedServers, ServerUrls
from cli.embedded.errors import DataDirInUseError, EmbeddedServerError
from cli.embedded.servers import urls_of

HOLDER = """
import sys
from pathlib import Path
from cli.embedded import EmbeddedServers
servers = EmbeddedServers(Path(sys.argv[1]))
print(servers.start(), flush=True)
sys.stdin.read()
"""
"""A parent that starts the servers and waits to be killed."""


def query(urls: ServerUrls, statement: str) -> Any:
    async def run() -> Any:
        connection = await asyncpg.connect(urls.database_url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(run())


def remember(urls: ServerUrls) -> None:
    query(urls, "create table kept as select 42 as value")
    with Redis.from_url(urls.redis_url) as client:
        client.set("kept", 42)


def assert_remembered(urls: ServerUrls) -> None:
    assert query(urls, "select value from kept") == 42
    with Redis.from_url(urls.redis_url) as client:
        assert client.get("kept") == b"42"


def test_a_clean_restart_keeps_the_data_and_leaves_no_process(data_dir: Path) -> None:
    """Both servers keep what they were given over a stop, and the stop is complete."""
    with EmbeddedServers(data_dir) as urls:
        remember(urls)
    assert processes_of(data_dir) == {}
    with EmbeddedServers(data_dir) as urls:
        assert_remembered(urls)
    assert processes_of(data_dir) == {}


def test_the_servers_listen_on_private_sockets_only(data_dir: Path) -> None:
    """No TCP port is opened, and only the servers' user can enter the directory of the sockets."""
    with EmbeddedServers(data_dir) as urls:
        assert query(urls, "show listen_addresses") == ""
        assert query(urls, "show fsync") == "on"
        with Redis.from_url(urls.redis_url) as client:
            settings = client.config_get("*")
        assert (settings["port"], settings["appendonly"], settings["appendfsync"]) == ("0", "yes", "everysec")
        assert settings["maxmemory-policy"] == "noeviction"
        for name in ("sockets", "postgres", "valkey"):
            assert stat.S_IMODE((data_dir / name).stat().st_mode) == 0o700


@pytest.fixture
def holder(data_dir: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that runs the servers of the data directory."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout as answers:
        assert answers.readline().startswith("ServerUrls")
    yield process
    process.kill()
    process.wait(10)
    process.stdin.close()
    wait_for(lambda: processes_of(data_dir) == {}, what="the servers end with their parent")


def test_a_second_start_on_the_same_data_says_who_has_it(data_dir: Path, holder: "subprocess.Popen[str]") -> None:
    """Two supervisors of one data directory would destroy it."""
    with pytest.raises(DataDirInUseError, match=rf"in use by process {holder.pid}\. .*TOCSIN_DATA_DIR"):
        EmbeddedServers(data_dir).start()


def test_killing_the_parent_leaves_no_process(data_dir: Path, holder: "subprocess.Popen[str]") -> None:
    """After SIGKILL of the parent the guards stop their servers."""
    assert len(processes_of(data_dir)) > 4
    holder.kill()
    wait_for(lambda: processes_of(data_dir) == {}, what="no process of the data directory is left")


def test_a_start_right_after_the_parent_was_killed_succeeds(data_dir: Path, holder: "subprocess.Popen[str]") -> None:
    """The servers of the dead parent may still be stopping; what it had committed is there."""
    servers = EmbeddedServers(data_dir)
    remember(urls_of(data_dir))
    holder.kill()
    holder.wait(10)
    with servers as urls:
        assert_remembered(urls)


def test_killing_a_guard_does_not_leave_its_server(data_dir: Path) -> None:
    """Linux tells the server that its guard died."""
    servers = EmbeddedServers(data_dir)
    servers.start()
    try:
        for server in servers.running:
            assert server.process is not None
            os.kill(server.process.guard.pid, signal.SIGKILL)
        wait_for(lambda: processes_of(data_dir) == {}, what="the servers end with their guards")
    finally:
        servers.stop()


def test_servers_that_crashed_are_started_on_the_same_data(data_dir: Path) -> None:
    """A killed server leaves its pid file and sockets behind; starting again recovers what was committed."""
    servers = EmbeddedServers(data_dir)
    urls = servers.start()
    try:
        remember(urls)
        for server in servers.running:
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
        wait_for(lambda: all(s.exit_code() is not None for s in servers.running), what="the guards notice the deaths")
        for server in servers.running:
            server.start()
        assert_remembered(urls)
    finally:
        servers.stop()


def test_a_live_server_that_an_earlier_run_left_is_ended_first(data_dir: Path) -> None:
    """Two servers on one append-only file would destroy it, so the one that was left is stopped."""
    servers = EmbeddedServers(data_dir)
    remember(servers.start())
    left = list(servers.running)
    servers.running.clear()
    servers.stop()  # Lets go of the lock only, as if the guards had been forgotten.
    try:
        with EmbeddedServers(data_dir) as urls:
            assert_remembered(urls)
            assert all(server.exit_code() is not None for server in left)
    finally:
        for server in left:
            server.stop()


def test_a_pid_file_of_a_foreign_process_is_not_believed(data_dir: Path) -> None:
    """After a reboot the number may be anybody's; that process is neither waited for nor hurt."""
    with EmbeddedServers(data_dir):
        pass
    with subprocess.Popen(["sleep", "60"]) as bystander:
        for pid_file in (data_dir / "postgres" / "postmaster.pid", data_dir / "valkey" / "valkey.pid"):
            pid_file.write_text(f"{bystander.pid}\n")
        with EmbeddedServers(data_dir) as urls:
            assert urls.database_url
        assert bystander.poll() is None
        bystander.kill()


def test_data_of_another_major_version_is_refused(data_dir: Path) -> None:
    """PostgreSQL's files belong to one major version."""
    with EmbeddedServers(data_dir):
        pass
    (data_dir / "postgres" / "PG_VERSION").write_text("15\n")
    with pytest.raises(EmbeddedServerError, match=r"made by PostgreSQL 15, this is PostgreSQL \d+"):
        EmbeddedServers(data_dir).start()
    assert processes_of(data_dir) == {}


def test_a_long_data_directory_has_its_sockets_in_a_short_one(data_dir: Path) -> None:
    """A Unix socket's address is short; the directory is private, and the same one each time."""
    long_dir = data_dir / ("x" * 60) / ("y" * 60)
    data_dir.mkdir(0o711)
    with EmbeddedServers(long_dir) as urls:
        assert len(urls.redis_url) < 100
        remember(urls)
    with EmbeddedServers(long_dir) as again:
        assert again == urls
        assert_remembered(again)
    sockets = Path(urls.redis_url.removeprefix("unix://")).parent
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    shutil.rmtree(sockets)


def test_a_half_made_cluster_is_made_anew(data_dir: Path) -> None:
    """Killed in the middle of its first start, the next start begins again."""
    (data_dir / "postgres.new").mkdir(parents=True)
    data_dir.chmod(0o711)
    (data_dir / "postgres.new" / "PG_VERSION").write_text("")
    with EmbeddedServers(data_dir, is_durable=False) as urls:
        remember(urls)
        assert_remembered(urls)
    assert not (data_dir / "postgres.new").exists()


def test_given_servers_are_passed_through_and_nothing_is_started(data_dir: Path) -> None:
    """With both addresses set there is no data directory at all."""
    with EmbeddedServers(data_dir, database_url="postgresql://db/x", redis_url="redis://cache") as urls:
        assert urls == ServerUrls("postgresql://db/x", "redis://cache")
    assert not data_dir.exists()


def test_a_data_directory_that_cannot_be_made_is_refused(data_dir: Path) -> None:
    """The message names the setting."""
    data_dir.write_text("a file")
    with pytest.raises(EmbeddedServerError, match="TOCSIN_DATA_DIR"):
        EmbeddedServers(data_dir).start()


def test_the_database_asks_for_its_password(data_dir: Path) -> None:
    """Who reaches the socket, as a collector does, is not let in without what only the owner's file says."""
    with EmbeddedServers(data_dir) as urls:
        stranger = re.sub(r"tocsin:[^@]+@", "tocsin:guessed@", urls.database_url)
        with pytest.raises(asyncpg.InvalidPasswordError):
            query(ServerUrls(stranger, urls.redis_url), "select 1")
    assert (data_dir / "postgres.password").stat().st_mode & 0o077 == 0
