"""Looking at monitors at once, with a worker that does it."""

import httpx2
import pytest
from api_client import MakeServices
from secret_keys import SECRET_KEY
from worker_site import open_site, worker_process

from api.services import ApiServices
from shared.domain.job.jobs import JobKind
from shared.domain.monitor.rounds import decode_round
from shared.storage.database import Database
from shared.vault import Vault

MONITORS = "/api/v1/monitors"
HEARTBEAT = {"name": "backup", "target": {"kind": "heartbeat"}, "interval": "1h"}
WAIT = {"Prefer": "wait=30"}


@pytest.fixture
def services(make_services: MakeServices) -> ApiServices:
    """What an API process has that shares its key with the workers."""
    return make_services(vault=Vault([SECRET_KEY]))


async def jobs(database: Database) -> list[tuple[str, str]]:
    """The jobs there are: kind and spec."""
    async with database.transaction() as work:
        return [(row[0], row[1]) for row in await work.fetch("select kind, spec::text from jobs order by job_id")]


async def test_a_worker_looks_at_once(
    client: httpx2.AsyncClient, database: Database, listening: None, database_url: str, redis_url: str
) -> None:
    """Run or tried out, the answer has what was found; neither leaves a sample, a trial not even a series."""
    async with open_site() as site, worker_process(database_url, redis_url):
        site.gate.set()
        target = {"kind": "http", "url": f"http://127.0.0.1:{site.port}/", "headers": {"X-Key": "tiger"}}
        spec = {"name": "site", "target": target, "conditions": ["[STATUS] == 201"], "interval": "1h"}
        tried = await client.post(f"{MONITORS}:test", json=spec, headers=WAIT)
        assert tried.status_code == 200, tried.text
        (reading,) = tried.json()["result"]["readings"]
        assert (reading["outcome"], reading["code"]) == ("down", "condition_failed")
        assert reading["metrics"]["status"] == 200
        async with database.transaction() as work:
            assert [row[0] for row in await work.fetch("select count(*) from series")] == [0]
        monitor = (await client.post(MONITORS, json=spec | {"confirmations": 0})).json()
        ran = await client.post(monitor["links"]["self"] + ":run", headers=WAIT)
        assert ran.status_code == 200, ran.text
        assert ran.json()["result"]["readings"][0]["outcome"] == "down"
        assert "tiger" not in str(await jobs(database))
        async with database.transaction() as work:
            assert [row[0] for row in await work.fetch("select count(*) from sample")] == [0]


async def test_a_look_is_a_job(client: httpx2.AsyncClient, database: Database) -> None:
    """202 with the job, which names the monitor and none of its secrets; its spec can be read."""
    spec = {"name": "log", "target": {"kind": "file", "path": "/var/log/syslog"}}
    monitor = (await client.post(MONITORS, json=spec)).json()
    answer = await client.post(monitor["links"]["self"] + ":run")
    assert (answer.status_code, answer.json()["kind"], answer.json()["priority"]) == (202, "round", 9)
    ((kind, kept),) = await jobs(database)
    (visit,) = decode_round(kept)
    assert (kind, str(visit.monitor_id), visit.is_manual) == (JobKind.ROUND, monitor["id"], True)
    shown = (await client.get(answer.json()["links"]["spec"])).json()
    assert shown["visits"][0]["monitor_id"] == monitor["id"]


async def test_a_heartbeat_is_not_looked_at(client: httpx2.AsyncClient, database: Database) -> None:
    """409, and no job is made; nor of what is not there or not valid."""
    monitor = (await client.post(MONITORS, json=HEARTBEAT)).json()
    refused = await client.post(monitor["links"]["self"] + ":run")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/not-collected")
    assert (await client.post(f"{MONITORS}:test", json=HEARTBEAT)).status_code == 409
    assert (await client.post(f"{MONITORS}:test", json={"name": "a"})).status_code == 422
    assert (await client.post(f"{MONITORS}/00000000-0000-7000-8000-000000000000:run")).status_code == 404
    assert await jobs(database) == []
