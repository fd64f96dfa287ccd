"""The whole application over ASGI, on real servers."""

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID

import httpx2
import pytest
from api_client import ADMIN_KEY, BASE_URL, MakeKey, MakeServices, OpenClient
from redis.asyncio import Redis
from secret_keys import SECRET_KEY
from starlette.types import ASGIApp

from api.access_log import AccessLog
from api.app import create_app
from api.services import ApiServices, Listening
from shared.clock import utc_now
from shared.domain.access import Scope
from shared.services.access import Access
from shared.settings import Settings
from shared.storage.database import Database
from shared.wiring import ProcessContext


@pytest.fixture(scope="session")
async def context(database_url: str, redis_url: str) -> AsyncIterator[ProcessContext]:
    """The connections of an API process that needs keys."""
    settings = Settings(database_url=database_url, redis_url=redis_url, admin_key=ADMIN_KEY, secret_keys=SECRET_KEY)
    context = ProcessContext.open(settings, name="tests-api")
    yield context
    await context.close()


@pytest.fixture
def make_services(context: ProcessContext, database: Database, redis: Redis) -> MakeServices:
    """Makes what an API process has; `settings` to differ in are named, and so are parts of the context."""

    def make(settings: dict[str, Any] | None = None, **parts: Any) -> ApiServices:
        own = context.settings.model_copy(update=settings or {})
        return ApiServices(dataclasses.replace(context, settings=own, **parts))

    return make


@pytest.fixture
def services(make_services: MakeServices) -> ApiServices:
    """What an API process has that needs keys."""
    return make_services()


@pytest.fixture
def access_log() -> Iterator[AccessLog]:
    """An access log that nobody reads."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    log = AccessLog(descriptor)
    yield log
    log.flush()
    os.close(descriptor)


@pytest.fixture
def app(services: ApiServices, access_log: AccessLog) -> ASGIApp:
    """The application; it does not hear of events, see `listening`."""
    return create_app(services, access_log=access_log)


@pytest.fixture
def open_client(access_log: AccessLog) -> OpenClient:
    """Opens a client of other services than the usual ones."""

    @asynccontextmanager
    async def open_one(services: ApiServices, **options: Any) -> AsyncIterator[httpx2.AsyncClient]:
        transport = httpx2.ASGITransport(app=create_app(services, access_log=access_log))
        async with httpx2.AsyncClient(**{"transport": transport, "base_url": BASE_URL} | options) as client:
            yield client

    return open_one


@pytest.fixture
async def client(app: ASGIApp) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with the admin's key."""
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app),
        base_url=BASE_URL,
        headers={"Authorization": f"Bearer {ADMIN_KEY}"},
    ) as client:
        yield client


@pytest.fixture
async def listening(services: ApiServices, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The process hears of changed jobs, from when the test begins."""
    heard = asyncio.Event()
    clear = services.reading.hear_reconnect
    monkeypatch.setattr(services.reading, "hear_reconnect", lambda: (clear(), heard.set()))
    async with Listening(services):
        async with asyncio.timeout(10):
            await heard.wait()
        yield


@pytest.fixture
def someone_waits(services: ApiServices, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when a request begins to wait for a job."""
    arrived = asyncio.Event()
    register = services.waiting.register

    @contextmanager
    def registered(job_id: UUID) -> Iterator[asyncio.Event]:
        with register(job_id) as bell:
            arrived.set()
            yield bell

    monkeypatch.setattr(services.waiting, "register", registered)
    return arrived


@pytest.fixture
def make_key(database: Database) -> MakeKey:
    """Makes an API key and gives its secret."""

    async def make(scope: Scope) -> str:
        created = await Access(database, clock=utc_now).create(f"a {scope} key", scope, created_by="tests")
        return created.secret

    return make
