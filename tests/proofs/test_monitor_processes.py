"""Monitors and the processes as they are: a crowd in one second, a worker without a way out, an API that is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from api_client import ADMIN_KEY
from api_process import api_process
from http_servers import serve_raw
from job_bench import Bench
from redis.asyncio import Redis
from round_site import RoundSite, add_monitor
from schedule_bench import database_now, watch
from worker_site import worker_process

from shared.storage.database import Database, create_engine

SECOND = timedelta(seconds=1)
PATIENCE_SECONDS = 120
CROWD = 5_000
SILENT_SECONDS = 12
"""Longer than what counts as absence."""


@pytest.fixture
async def site(fresh_database_url: str, redis: Redis) -> AsyncIterator[RoundSite]:
    """A database of the test's own, which other processes use too."""
    database = Database(create_engine(fresh_database_url, pool_size=2, name="test"))
    bench = Bench(database, redis)
    yield RoundSite(bench, {})
    await bench.events.drain()
    await database.close()


async def until(site: RoundSite, query: str, wanted: Any, *parameters: object) -> None:
    """Wait until a query answers what is wanted."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await site.rows(query, *parameters))[0][0] != wanted:  # noqa: ASYNC110 - a figure rings no bell
            await asyncio.sleep(0.2)


@pytest.mark.timeout(300)
async def test_five_thousand_monitors_in_one_second(
    site: RoundSite, fresh_database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two workers: each slot is collected once or told as missed once, and what is late is not called down."""
    watched = tmp_path_factory.mktemp("crowd") / "watched"
    watched.write_text("x")
    database = site.bench.database
    later = await database_now(database) + timedelta(hours=1)
    await watch(database, CROWD, interval=timedelta(days=31), due_at=later)
    target = f'{{"kind": "file", "path": "{watched}"}}'
    async with database.transaction() as work:
        await work.run("update series set kind = 'file'")
        await work.run("update monitors set kind = 'file', target = $1::text, shown = $1::text::jsonb", target)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            settings = {"TOCSIN_FILE_ROOTS": str(watched.parent)}
            await stack.enter_async_context(worker_process(fresh_database_url, redis_url, **settings))
        # Due once the workers are there, all within the second that is next to be handed out.
        await until(site, "select count(*) from workers", 2)
        (planted,) = await site.rows("select date_trunc('second', clock_timestamp()) + interval '3 s'")
        async with database.transaction() as work:
            await work.run(
                """
                update schedules s set next_slot = n.slot, due_at = n.slot from (
                    select monitor_id, $1::timestamptz + (row_number() over () % 1000) * interval '1 ms' as slot
                    from schedules) n where n.monitor_id = s.monitor_id
                """,
                planted[0],
            )
        await until(site, "select (select count(*) from sample) + (select count(*) from slot_gaps)", CROWD)
        slots = await site.rows(
            """
            select count(distinct monitor_id), count(*), min(ts), max(ts), sum(runs) from (
                select m.monitor_id, p.ts, 1 as runs from sample p join monitors m using (series_id)
                union all select monitor_id, first_slot, 0 from slot_gaps) told
            """
        )
    ((monitors, told, first, last, runs),) = slots
    assert (monitors, told) == (CROWD, CROWD)
    assert planted[0] <= first <= last < planted[0] + SECOND
    assert runs > 0
    assert await site.rows("select distinct state from state_spans where state not in (0, 4)") == []


async def test_a_worker_without_a_way_out_blames_no_target(
    site: RoundSite, fresh_database_url: str, redis_url: str
) -> None:
    """Its canary is silent: all it finds is an error of ours. With one that answers the same target is down."""
    # TEST-NET-1 (RFC 5737): nobody is there.
    target = {"kind": "http", "url": "http://192.0.2.1/", "timeout": "500ms"}
    monitor_id = await add_monitor(site.bench.database, target, interval=SECOND)
    outcomes = "select coalesce(array_agg(distinct outcome), '{}') from sample"
    samples = "select least(count(*), 3) from sample"
    settings = {"TOCSIN_CANARIES": "127.0.0.1:1"}
    async with worker_process(fresh_database_url, redis_url, **settings):
        await until(site, samples, 3)
    assert await site.rows(outcomes) == [([3],)]
    assert await site.state(monitor_id) == "no_data"

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"here\r\n")

    async with serve_raw(greet) as port:
        settings = {"TOCSIN_CANARIES": f"127.0.0.1:{port}"}
        async with worker_process(fresh_database_url, redis_url, **settings):
            await until(site, "select state from monitor_states", 2)


@pytest.mark.timeout(180)
async def test_nobody_is_down_for_an_api_that_was_away(
    site: RoundSite, fresh_database_url: str, redis_url: str
) -> None:
    """A heartbeat cannot ping while the API is killed: nothing is known of it. Once it is silent itself, it is down."""
    settings = {"database_url": fresh_database_url, "redis_url": redis_url, "admin_key": ADMIN_KEY}
    body = {"name": "beat", "interval": "1s", "target": {"kind": "heartbeat", "grace": "1s"}}
    async with worker_process(fresh_database_url, redis_url), httpx2.AsyncClient(timeout=30) as client:
        with api_process(**settings) as api:
            await asyncio.to_thread(api.wait_until_listening)
            key = {"Authorization": f"Bearer {ADMIN_KEY}"}
            made = (await client.post(f"{api.url}/api/v1/monitors", json=body, headers=key)).json()
            path, monitor_id = made["heartbeat"]["ping_path"], UUID(made["id"])
            assert (await client.get(f"{api.url}{path}")).text == "OK"
            api.process.kill()
        # Longer than the period and the grace, with a worker that looks for silence each second.
        heard = "select clock_timestamp() - heard_at > $1::interval from listening"
        await until(site, heard, True, SILENT_SECONDS * SECOND)
        assert await site.state(monitor_id) != "down"
        with api_process(**settings) as api:
            await asyncio.to_thread(api.wait_until_listening)
            assert (await client.get(f"{api.url}{path}")).text == "OK"
            assert await site.rows("select count(*) from state_spans where state = 2") == [(0,)]
            await until(site, "select state from monitor_states", 2)
