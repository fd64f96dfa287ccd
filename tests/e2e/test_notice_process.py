"""Notices told by real worker processes, one of which is killed while it tells."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from http_servers import Seen, answer, serve
from notice_site import NoticeSite, subject
from worker_site import PATIENCE_SECONDS, worker_process

from shared.storage.database import Database, create_engine


class Gate:
    """A receiver that keeps its first visitor waiting for ever, and takes what the later ones bring."""

    def __init__(self) -> None:
        self.visits: asyncio.Queue[Seen] = asyncio.Queue()
        self._is_open = False

    async def __call__(self, seen: Seen, writer: asyncio.StreamWriter) -> None:
        is_kept, self._is_open = not self._is_open, True
        self.visits.put_nowait(seen)
        if is_kept:
            await asyncio.Event().wait()
        writer.write(answer())
        await writer.drain()

    async def visit(self) -> Seen:
        """The next visitor."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.visits.get()


@pytest.fixture
async def site(fresh_database_url: str) -> AsyncIterator[NoticeSite]:
    """Alerts in a database of the test's own, which the workers use too."""
    database = Database(create_engine(fresh_database_url, pool_size=2, name="test"))
    yield NoticeSite(database)
    await database.close()


async def test_a_notice_survives_its_workers_death_and_has_its_resolve(
    site: NoticeSite, fresh_database_url: str, redis: object, redis_url: str
) -> None:
    """Kill -9 while the receiver thinks: the next worker says the same under the same id, then comes the resolve."""
    gate = Gate()
    async with serve(gate) as server:
        await site.channel(url=server.url())
        async with worker_process(fresh_database_url, redis_url) as first:
            [alert_id] = await site.fire(subject("a"))
            lost = await gate.visit()
            first.kill()
        async with worker_process(fresh_database_url, redis_url):
            repeated = await gate.visit()
            await site.resolve(alert_id)
            resolved = await gate.visit()
    assert repeated.headers["webhook-id"] == lost.headers["webhook-id"] != resolved.headers["webhook-id"]
    assert repeated.body == lost.body
    statuses = [json.loads(seen.body)["alerts"][0]["status"] for seen in (lost, repeated, resolved)]
    assert statuses == ["firing", "firing", "resolved"]
