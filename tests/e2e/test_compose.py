import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from processes import wait_for
from redis import Redis

from cli.embedded.account import server_account
from cli.embedded.programs import postgres_tree, valkey_program
from cli.readiness import free_port, is_ready
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
KEY = "a-key-of-this-test-only"
VARIABLES = {"TOCSIN_ADMIN_KEY": KEY, "TOCSIN_DATABASE_PASSWORD": "unused"}


def expand(value: str) -> str:
    """Compose's `${NAME:-default}` and `${NAME:?message}`."""
    return re.sub(r"\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}", lambda found: VARIABLES.get(found[1], found[2] or ""), value)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text()
    loaded: dict[str, Any] = yaml.safe_load(expand(text))["services"]
    return loaded


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


@contextmanager
def running(service: dict[str, Any], **adapted: str) -> "Iterator[subprocess.Popen[str]]":
    """The service's own command with its own environment, but for where the servers are."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    own = {name: value for name, value in service["environment"].items() if value is not None}
    with subprocess.Popen(
        [sys.executable, "-m", "cli.main", *service["command"]],
        env=inherited | own | adapted,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def stop_like_compose(process: "subprocess.Popen[str]", service: dict[str, Any]) -> int:
    """SIGTERM, and no longer than the service's own grace period."""
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=seconds(service["stop_grace_period"]))
    return process.returncode


def test_the_compose_file_is_valid() -> None:
    """Against the compose specification's own schema, offline."""
    done = subprocess.run(
        [
            Path(sys.executable).with_name("check-jsonschema"),
            "--builtin-schema",
            "vendor.compose-spec",
            "docker-compose.yml",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_service_can_be_scaled_and_the_long_lived_servers_are_checked(services: dict[str, Any]) -> None:
    """A container's name would forbid a second one."""
    assert all("container_name" not in service for service in services.values())
    assert all("healthcheck" in services[name] for name in ("api", "postgres", "redis"))


def test_a_worker_may_finish_before_it_is_killed(services: dict[str, Any]) -> None:
    """The grace period is longer than the drain."""
    worker = services["worker"]
    assert seconds(worker["stop_grace_period"]) > float(worker["environment"]["TOCSIN_DRAIN_SECONDS"])


def test_migrate_prepares_the_database_that_api_and_worker_run_on(
    services: dict[str, Any], empty_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """The commands in the order compose starts them, found healthy and stopped as compose does it."""
    urls = {"TOCSIN_DATABASE_URL": empty_database_url, "TOCSIN_REDIS_URL": redis_url}
    with running(services["migrate"], **urls) as migrate:
        assert migrate.wait(60) == 0
    port = free_port("127.0.0.1", 0)
    with (
        running(services["api"], **urls, TOCSIN_PORT=str(port)) as api,
        running(services["worker"], **urls, TOCSIN_WORKER_BEAT_FILE=str(tmp_path / "beat")) as worker,
    ):
        wait_for(lambda: is_ready("127.0.0.1", port) or api.poll() is not None, what="the API is ready")
        assert_needs_key(port)
        assert_healthy(services["api"], port)
        assert_says(worker, "worker_ready")
        assert_beats(services["worker"], tmp_path / "beat")
        assert stop_like_compose(worker, services["worker"]) == 0
        assert stop_like_compose(api, services["api"]) == 0


def assert_says(process: "subprocess.Popen[str]", words: str) -> None:
    """Read what it logs until the words come, or it ends."""
    assert process.stderr is not None
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if words in line:
            return
    pytest.fail("".join(said))


def assert_needs_key(port: int) -> None:
    url = f"http://127.0.0.1:{port}/api/v1/jobs"
    assert httpx2.get(url).status_code == 401
    assert httpx2.get(url, headers={"Authorization": f"Bearer {KEY}"}).status_code == 200


def assert_healthy(service: dict[str, Any], port: int) -> None:
    kind, _python, option, program = service["healthcheck"]["test"]
    assert (kind, option) == ("CMD", "-c")
    subprocess.run([sys.executable, option, program.replace(":8000", f":{port}")], timeout=30, check=True)


def assert_beats(service: dict[str, Any], beat: Path) -> None:
    """The worker's health check is content with a young file, and neither with an old one nor with none."""
    kind, command = service["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    # Compose reads `$$` as a dollar sign.
    command = command.replace("$$", "$").replace(service["environment"]["TOCSIN_WORKER_BEAT_FILE"], str(beat))
    wait_for(beat.exists, what="the worker beats")

    def is_healthy() -> bool:
        return subprocess.run(["sh", "-c", command], timeout=30, check=False, capture_output=True).returncode == 0

    assert is_healthy()
    stale = beat.with_name("stale")
    stale.touch()
    os.utime(stale, (time.time() - 60, time.time() - 60))
    command = command.replace(str(beat), str(stale))
    assert not is_healthy()
    stale.unlink()
    assert not is_healthy()


def test_the_redis_command_starts_a_server_that_keeps_its_data(services: dict[str, Any], short_dir: Path) -> None:
    """Its options are known to the server, and have the effect they are there for."""
    _program, *options = services["redis"]["command"]
    directory = short_dir / "compose-redis"
    directory.mkdir()
    path = directory / "redis.sock"
    command = [valkey_program(), *options, "--port", "0", "--unixsocket", str(path), "--dir", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: can_connect(path), what="the server listens")
            with Redis(unix_socket_path=str(path)) as client:
                assert client.config_get("appendonly") == {"appendonly": "yes"}
                assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        finally:
            server.terminate()


def can_connect(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def test_the_postgres_command_has_settings_the_server_knows(
    services: dict[str, Any], servers: object, short_dir: Path
) -> None:
    """PostgreSQL reads its command line and says what a setting would be."""
    program, *options = services["postgres"]["command"]
    account = server_account(short_dir)
    done = subprocess.run(
        [postgres_tree() / "bin" / program, "-D", short_dir / "data" / "postgres", *options, "-C", "jit"],
        user=account.uid,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.strip() == "off", done.stderr


def test_the_compose_file_names_only_settings_there_are(services: dict[str, Any]) -> None:
    """A misspelt variable would be ignored silently."""
    environments = [service.get("environment", {}) for service in services.values()]
    named = {name for environment in environments for name in environment if name.startswith("TOCSIN_")}
    assert named <= {f"TOCSIN_{field.upper()}" for field in Settings.model_fields}
