"""The API keeps the promises of its own description."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx2
import pytest
from api_client import ADMIN_KEY
from api_process import ApiProcess, api_process
from jsonschema_rs import validator_for

from shared.domain.target.targets import TARGET_KINDS

HERE = Path(__file__).parent
MAX_EXAMPLES = "15"
MOST_SECONDS = 900
"""Two or three minutes on a quiet machine."""
SEED = "20261121"
OPERATIONS = tomllib.loads((HERE / "schemathesis.toml").read_text())["operations"]
LEFT_OUT = [
    name for operation in OPERATIONS if not operation.get("enabled", True) for name in operation["include-name"]
]


@pytest.fixture
def api(fresh_database_url: str, redis_url: str) -> ApiProcess:
    """A process of its own, because the requests come from other threads."""
    with api_process(database_url=fresh_database_url, redis_url=redis_url, admin_key=ADMIN_KEY) as process:
        yield process.wait_until_listening()


@pytest.mark.timeout(MOST_SECONDS + 30)
def test_every_promise_of_the_description_is_kept(api: ApiProcess, tmp_path: Path) -> None:
    """Schemathesis with all its checks, the same inputs each time: no input makes a 5xx or an undescribed answer."""
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        *("--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{api.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {ADMIN_KEY}"),
        *("--checks", "all", "--seed", SEED, "--max-examples", MAX_EXAMPLES, "--continue-on-failure", "--no-color"),
    ]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": str(HERE / "schemathesis_hooks.py")}
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=MOST_SECONDS, check=False
    )
    mistakes = [line for line in api.log.splitlines() if '"level":"error"' in line]
    assert run.returncode == 0, "\n".join([run.stdout, run.stderr, *mistakes])
    paths = httpx2.get(f"{api.url}/openapi.json").json()["paths"].values()
    assert f"Tested: {sum(len(operations) for operations in paths) - len(LEFT_OUT)}" in run.stdout
    assert mistakes == []


async def test_the_description_is_openapi_3_1_and_whole(client: httpx2.AsyncClient) -> None:
    """Every reference leads somewhere, every operation tells of its errors, and nothing loads from elsewhere."""
    document = (await client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    validator_for(document)
    names = set(document["components"]["schemas"])
    assert {f"{kind.capitalize()}Target" for kind in TARGET_KINDS} <= names
    text = str(document)
    for reference in {part.split("'")[0] for part in text.split("'#/components/schemas/")[1:]}:
        assert reference in names
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            if path.startswith("/api/"):
                assert {"401", "403", "503"} <= set(operation["responses"])


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/api/docs"])
async def test_no_page_loads_from_a_foreign_host(client: httpx2.AsyncClient, path: str) -> None:
    """The framework's documentation pages fetch their scripts from a content network; a self-hosted product may not."""
    assert (await client.get(path)).status_code == 404
