"""Rounds among the other jobs: seen where they are asked for, made by the schedule alone, never run anew."""

import httpx2
from planting import plant
from schedule_bench import database_now, scheduling, watch, work_off

from shared.storage.database import Database

JOBS = "/api/v1/jobs"


async def worked_off(database: Database) -> str:
    """The id of a round that was worked off."""
    await watch(database, due_at=await database_now(database))
    await scheduling(database).run()
    await work_off(database)
    async with database.transaction() as work:
        return str((await work.fetch("select job_id from jobs where kind = 'round'"))[0].job_id)


async def test_rounds_are_listed_where_they_are_asked_for(client: httpx2.AsyncClient, database: Database) -> None:
    """They are very many, and would hide everything else."""
    job_id = await worked_off(database)
    assert (await client.get(JOBS)).json()["items"] == []
    assert [job["id"] for job in (await client.get(JOBS, params={"kind": "round"})).json()["items"]] == [job_id]
    assert (await client.get(f"{JOBS}/{job_id}")).json()["state"] == "succeeded"


async def test_a_round_is_not_run_anew(client: httpx2.AsyncClient, database: Database) -> None:
    """Neither by its id nor by a filter: its slots are over."""
    job_id = await worked_off(database)
    refused = await client.post(f"{JOBS}/{job_id}:requeue")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/job-is-round")
    await plant(database, "update jobs set state = 'failed'")
    found = await client.post(f"{JOBS}:requeue?validate_only=true", json={"filter": {"state": ["failed"]}})
    assert (found.status_code, found.json()["matching"]) == (200, 0)
    by_kind = await client.post(f"{JOBS}:requeue", json={"filter": {"kind": "round"}})
    assert by_kind.status_code == 422


async def test_a_round_cannot_be_submitted(client: httpx2.AsyncClient, database: Database) -> None:
    """It is made by the schedule alone."""
    answer = await client.post(JOBS, json={"kind": "round", "visits": []})
    assert answer.status_code == 422
    async with database.transaction() as work:
        assert (await work.fetch("select count(*) from jobs"))[0][0] == 0
