"""Capacity over HTTP."""

from datetime import timedelta

import httpx2
from schedule_bench import SECOND, watch

from api.schemas.capacity import CapacityView
from shared.domain.fleet.workers import WorkerReport, WorkerState
from shared.storage.database import Database
from shared.storage.fleet.worker_store import WorkerStore


async def test_capacity_adds_up_what_is_scheduled_and_done(client: httpx2.AsyncClient, database: Database) -> None:
    """Paused monitors are not looked at, and silent or quiet workers and those of other queues do not look."""
    await watch(database, 300, interval=10 * SECOND)
    await watch(database, 60, interval=timedelta(minutes=1))
    paused = await watch(database, 10)
    async with database.transaction() as work:
        await work.run(
            "update schedules set due_at = null, next_slot = null where monitor_id = any($1::uuid[])",
            [monitor.monitor_id for monitor in paused],
        )
        await work.run("update monitor_states set duration_ms = 100")
        for name in ("a", "b", "silent", "quiet", "other"):
            await WorkerStore(work).report(report(name))
        await work.run("update workers set beat_at = now() - interval '1 h' where worker_id = 'silent'")
    capacity = CapacityView.model_validate((await client.get("/api/v1/capacity")).json(), strict=False)
    assert (capacity.monitors, capacity.workers, capacity.slots) == (360, 2, 200)
    assert (capacity.scheduled_per_second, capacity.checks_per_second) == (31.0, 30.0)
    assert capacity.busy_looks == 3.1
    assert capacity.possible_per_second is not None
    assert capacity.possible_per_second > 100
    assert (capacity.limited_by, capacity.add_workers) == ("nothing", 0)


async def test_nothing_is_asked_for_where_nothing_is_scheduled(client: httpx2.AsyncClient) -> None:
    """No worker is missed then."""
    assert (await client.get("/api/v1/capacity")).json()["add_workers"] == 0


def report(name: str) -> WorkerReport:
    return WorkerReport(
        worker_id=name,
        host="here",
        pid=1,
        version="1",
        queues=["tocsin:collect"] if name == "other" else ["tocsin:collect", "tocsin:round"],
        slots=20,
        busy=0,
        loop_lag_ms=1.0,
        rss_bytes=1.0,
        lease_seconds=30.0,
        state=WorkerState.QUIET if name == "quiet" else WorkerState.RUNNING,
        checks_per_second=15.0,
        cpu_share=0.1,
    )
