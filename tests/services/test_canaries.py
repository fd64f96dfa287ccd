"""Canaries as a worker asks them, over real connections."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from http_servers import always, answer, serve

from shared.domain.target.egress_canary import EgressState
from shared.transport.resolver import Resolver
from shared.wiring.canaries import Canaries


@pytest.fixture
async def resolver() -> AsyncIterator[Resolver]:
    resolver = Resolver()
    yield resolver
    await resolver.close()


async def state_with(setting: str, resolver: Resolver) -> EgressState:
    canaries = Canaries(setting, resolver)
    await canaries.watched.watch()
    await canaries.close()
    return canaries.watched.state


async def test_a_canary_that_listens_or_answers_anything_is_well(resolver: Resolver) -> None:
    """A connection is enough, and so is an answer that says no."""
    async with serve(always(answer(status="503 Service Unavailable"))) as server:
        for setting in (f"127.0.0.1:{server.port}", server.url()):
            assert await state_with(setting, resolver) is EgressState.OK
    closed = f"127.0.0.1:{server.port}"
    assert await state_with(f"{closed},http://{closed}/", resolver) is EgressState.DOWN


async def test_a_canary_that_accepts_and_closes_gives_no_answer(resolver: Resolver) -> None:
    """Something in between may take connections for everybody."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await state_with(f"http://127.0.0.1:{port}/", resolver) is EgressState.DOWN
