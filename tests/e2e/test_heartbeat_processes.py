"""A heartbeat and the real processes that listen to it and miss it."""

import asyncio
from uuid import UUID

import httpx2
from api_client import ADMIN_KEY
from api_process import api_process
from redis.asyncio import Redis
from worker_site import PATIENCE_SECONDS, worker_process

from shared.domain.live import StateTold
from shared.domain.monitor.standing import MonitorState
from shared.live_events import STREAM
from shared.live_events.wire import FIELD, decode_batch

MONITOR = {"name": "beat", "interval": "1s", "target": {"kind": "heartbeat", "grace": "1s"}}


async def told_states(redis: Redis, monitor_id: UUID, *, until: MonitorState) -> list[StateTold]:
    """What is told live of a monitor, up to the state that is waited for."""
    told: list[StateTold] = []
    place = b"0"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not told or told[-1].state is not until:
            for _, entries in await redis.xread({STREAM: place}, block=5000):
                place = entries[-1][0]
                for _, fields in entries:
                    events = decode_batch(fields[FIELD]).events
                    told += [each for each in events if isinstance(each, StateTold) and each.monitor_id == monitor_id]
    return told


async def test_a_heartbeat_that_stops_is_down_two_seconds_later(
    fresh_database_url: str, redis_url: str, redis: Redis
) -> None:
    """The API takes the ping, a worker misses the next one, and both are told live; the log names no URL."""
    with api_process(database_url=fresh_database_url, redis_url=redis_url, admin_key=ADMIN_KEY) as api:
        await asyncio.to_thread(api.wait_until_listening)
        async with (
            worker_process(fresh_database_url, redis_url),
            httpx2.AsyncClient(base_url=api.url, timeout=30) as client,
        ):
            key = {"Authorization": f"Bearer {ADMIN_KEY}"}
            made = (await client.post("/api/v1/monitors", json=MONITOR, headers=key)).json()
            ping = made["heartbeat"]["ping_path"]
            assert (await client.get(ping)).text == "OK"
            pending, up, down = await told_states(redis, UUID(made["id"]), until=MonitorState.DOWN)
        assert (pending.state, up.state, down.state) == (MonitorState.PENDING, MonitorState.UP, MonitorState.DOWN)
        assert down.code == "no_ping"
        assert (down.at - up.at).total_seconds() == 2
        assert ping.rpartition("/")[2] not in api.log
