"""Who may do what."""

import asyncio

import httpx2
import pytest
from api_client import ADMIN_KEY, MakeKey, MakeServices, OpenClient

from api import authentication
from api.services import ApiServices
from shared.clock import utc_now
from shared.domain.access import Scope
from shared.services.access import Access
from shared.storage.database import Database

JOB = {"kind": "collect", "targets": [{"kind": "file", "path": "/var/log/x"}]}
READING = [("GET", "/api/v1/jobs"), ("GET", "/api/v1/jobs/00000000-0000-7000-8000-000000000000")]
SUBMITTING = [("POST", "/api/v1/jobs")]
RULING = [("GET", "/api/v1/keys"), ("DELETE", "/api/v1/keys/00000000-0000-7000-8000-000000000000")]
REFUSED = {401, 403}


@pytest.fixture
async def visitor(services: ApiServices, open_client: OpenClient) -> httpx2.AsyncClient:
    """A client without any key."""
    async with open_client(services) as client:
        yield client


async def ask(client: httpx2.AsyncClient, method: str, path: str, **headers: str) -> httpx2.Response:
    """Send a request, with a job when it takes one."""
    body = {"json": JOB} if method == "POST" else {}
    return await client.request(method, path, headers=headers, **body)


@pytest.mark.parametrize(
    ("scope", "allowed", "denied"),
    [
        (Scope.READ, READING, SUBMITTING + RULING),
        (Scope.SUBMIT, READING + SUBMITTING, RULING),
        (Scope.ADMIN, READING + SUBMITTING + RULING, []),
    ],
)
async def test_a_scope_includes_those_before_it(
    visitor: httpx2.AsyncClient,
    make_key: MakeKey,
    scope: Scope,
    allowed: list[tuple[str, str]],
    denied: list[tuple[str, str]],
) -> None:
    """Read is part of submit, which is part of admin; what is missing is named."""
    key = await make_key(scope)
    assert key.startswith(f"tocsin_{scope}_")
    for method, path in allowed:
        assert (await ask(visitor, method, path, **{"X-API-Key": key})).status_code not in REFUSED
    for method, path in denied:
        response = await ask(visitor, method, path, Authorization=f"Bearer {key}")
        assert response.status_code == 403
        assert response.json()["scope_needed"] in response.json()["detail"]


@pytest.mark.parametrize(("method", "path"), [*READING, *SUBMITTING, *RULING, ("GET", "/api/v1/nothing")])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer tocsin_admin_" + "b" * 43},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic YTpi"},
        {"Authorization": ADMIN_KEY},
        {"X-API-Key": "tocsin_admin_"},
        {"X-API-Key": ADMIN_KEY[:-1]},
        {"X-API-Key": "x" * 5000},
        {"Authorization": "Basic YTpi", "X-API-Key": ADMIN_KEY},
    ],
)
async def test_without_a_valid_key_nothing_is_told(
    visitor: httpx2.AsyncClient, method: str, path: str, headers: dict[str, str]
) -> None:
    """401 with WWW-Authenticate, also for paths that do not exist."""
    response = await ask(visitor, method, path, **headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("headers", [{"Authorization": f"bearer {ADMIN_KEY}"}, {"X-API-Key": ADMIN_KEY}])
async def test_the_admin_key_of_the_setting_opens_everything(
    visitor: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    """Either header carries a key, the scheme's name in any case."""
    assert (await visitor.get("/api/v1/keys", headers=headers)).status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/openapi.json", "/problems", "/problems/not-found"])
async def test_health_and_descriptions_are_open(visitor: httpx2.AsyncClient, path: str) -> None:
    """What tells nothing of the data needs no key."""
    assert (await visitor.get(path)).status_code == 200


async def test_metrics_need_a_key_unless_only_this_machine_reaches_them(
    make_services: MakeServices, open_client: OpenClient, visitor: httpx2.AsyncClient, make_key: MakeKey
) -> None:
    """Open on loopback; elsewhere they are read with a key."""
    assert (await visitor.get("/metrics")).status_code == 200
    async with open_client(make_services({"host": "0.0.0.0"})) as client:
        assert (await client.get("/metrics")).status_code == 401
        key = await make_key(Scope.READ)
        assert (await client.get("/metrics", headers={"X-API-Key": key})).status_code == 200


async def test_a_key_revoked_elsewhere_stops_within_seconds(
    services: ApiServices, database: Database, visitor: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process remembers a key for a bounded time only."""
    access = Access(database, clock=utc_now)
    created = await access.create("to be revoked", Scope.READ, created_by="tests")
    headers = {"X-API-Key": created.secret}
    monkeypatch.setattr(authentication, "TTL_SECONDS", 0.0)
    assert (await visitor.get("/api/v1/jobs", headers=headers)).status_code == 200
    await access.revoke(created.key.key_id)
    assert (await visitor.get("/api/v1/jobs", headers=headers)).status_code == 401
    assert 0 < authentication.TTL_SECONDS + 2.0 <= 5


async def test_a_remembered_key_asks_no_database(
    services: ApiServices, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within its seconds a key costs one hash and one look-up in memory."""
    key = await make_key(Scope.READ)
    headers = {b"x-api-key": key.encode()}
    first = await services.authentication.identify(headers)

    async def fail(digest: bytes) -> None:
        raise AssertionError("the database was asked")

    monkeypatch.setattr(services.authentication._loader, "get", fail)
    assert await services.authentication.identify(headers) == first
    assert first is not None
    assert first.scope is Scope.READ


async def test_an_expired_key_opens_nothing(database: Database, visitor: httpx2.AsyncClient) -> None:
    """A key ends by itself when it was given an end."""
    created = await Access(database, clock=utc_now).create(
        "ends now", Scope.READ, created_by="tests", expires_at=utc_now()
    )
    assert (await visitor.get("/api/v1/jobs", headers={"X-API-Key": created.secret})).status_code == 401


async def test_many_unknown_keys_share_queries(services: ApiServices, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guessing at once does not make a query for each guess."""
    batches: list[int] = []
    loader = services.authentication._loader
    fetch = loader._fetch

    async def counted(digests: list[bytes]) -> object:
        batches.append(len(digests))
        return await fetch(digests)

    monkeypatch.setattr(loader, "_fetch", counted)
    guesses = [{b"x-api-key": f"tocsin_read_{number:043d}".encode()} for number in range(200)]
    assert set(await asyncio.gather(*map(services.authentication.identify, guesses))) == {None}
    assert sum(batches) == 200
    assert len(batches) <= 4


class TestKeyless:
    """An embedded Tocsin bound to loopback needs no key."""

    @pytest.fixture
    async def local(self, make_services: MakeServices, open_client: OpenClient) -> httpx2.AsyncClient:
        services = make_services({"admin_key": None, "embedded": True})
        async with open_client(services) as client:
            yield client

    async def test_this_machine_has_every_right(self, local: httpx2.AsyncClient) -> None:
        """Reading, submitting and ruling."""
        assert (await local.get("/api/v1/keys")).status_code == 200
        assert (await local.post("/api/v1/jobs", json=JOB)).status_code == 202

    async def test_a_foreign_host_name_is_refused(self, local: httpx2.AsyncClient) -> None:
        """DNS rebinding: the page's own name leads here."""
        response = await local.get("/api/v1/jobs", headers={"Host": "evil.example"})
        assert response.status_code == 421
        assert response.json()["type"] == "/problems/misdirected-request"

    async def test_a_foreign_page_changes_nothing(self, local: httpx2.AsyncClient) -> None:
        """A form or a script of another origin is told apart by what the browser adds."""
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            response = await local.post("/api/v1/jobs", json=JOB, headers=headers)
            assert response.status_code == 403
            assert response.json()["type"] == "/problems/cross-origin"

    async def test_a_key_that_is_sent_still_counts(self, local: httpx2.AsyncClient, make_key: MakeKey) -> None:
        """A wrong key is wrong, a narrow one narrow."""
        assert (await local.get("/api/v1/jobs", headers={"X-API-Key": "wrong"})).status_code == 401
        headers = {"X-API-Key": await make_key(Scope.READ)}
        assert (await local.post("/api/v1/jobs", json=JOB, headers=headers)).status_code == 403

    @pytest.mark.parametrize(
        "settings",
        [
            {"admin_key": None, "embedded": False},
            {"admin_key": None, "embedded": True, "host": "0.0.0.0"},
            {"embedded": True},
        ],
    )
    def test_it_takes_embedded_servers_loopback_and_no_key_set(
        self, make_services: MakeServices, settings: dict[str, object]
    ) -> None:
        """Any one of the three missing, and a key is needed."""
        assert not make_services(settings).authentication.is_keyless
