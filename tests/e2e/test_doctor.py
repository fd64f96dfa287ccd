"""The drill on an installation in service: the workers that run repair what it stages."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE

from redis.asyncio import Redis
from worker_site import PATIENCE_SECONDS, worker_process

from shared.storage.database import Database, create_engine
from shared.storage.fleet.worker_store import WorkerStore


async def alive_worker(database_url: str) -> None:
    """Wait until a worker has reported itself."""
    database = Database(create_engine(database_url, pool_size=2, name="tests"))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                async with database.transaction() as work:
                    if await WorkerStore(work).list_workers(after=None, limit=1):
                        return
    finally:
        await database.close()


async def test_a_running_worker_repairs_what_the_drill_stages(
    fresh_database_url: str, redis_url: str, redis: Redis
) -> None:
    """Every case holds, by the worker's own upkeep, and the doctor finds nothing that fails."""
    addresses = {"TOCSIN_DATABASE_URL": fresh_database_url, "TOCSIN_REDIS_URL": redis_url}
    async with worker_process(fresh_database_url, redis_url, TOCSIN_LEASE_SECONDS="30"):
        await alive_worker(fresh_database_url)
        doctor = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli.main", "doctor", "--drill", "--json", env=os.environ | addresses, stdout=PIPE
        )
        async with asyncio.timeout(90):
            output, _ = await doctor.communicate()
    checkup = json.loads(output)
    assert doctor.returncode == 0, checkup
    assert checkup["drill"]["repaired_by"] == "workers"
    assert {case["case"]: case["has_held"] for case in checkup["drill"]["cases"]} == dict.fromkeys(
        ["unrung", "dropped", "vanished", "late", "duplicate"], True
    )
