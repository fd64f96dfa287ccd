"""Secrets over HTTP: they go in, and never come out."""

import asyncio
from uuid import uuid4

import httpx2
import pytest
from api_client import ADMIN_KEY, MakeKey, MakeServices, OpenClient
from secret_keys import VAULT

from api.schemas.secrets import SecretPage, SecretView
from shared.domain.access import Scope
from shared.storage.database import Database
from shared.vault import Vault

SECRET = "/api/v1/secrets/SHOP_DB"
VALUE = "hunter2 \\ ü"


async def name_in_monitors(database: Database, secret: str, count: int) -> None:
    async with database.transaction() as work:
        await work.run(
            """
            insert into monitors (monitor_id, group_name, name, kind, target, shown, secret_names, interval_ms,
                                  confirmations, confirm_ms, series_id, created_by)
            select gen_random_uuid(), 'web', 'shop ' || lpad(n::text, 2, '0'), 'http', '{}', '{}', array[$1::text],
                   60000, 1, 5000, n, 'tests'
            from generate_series(1, $2::int) n
            """,
            secret,
            count,
        )


async def test_a_secret_is_set_replaced_and_deleted(client: httpx2.AsyncClient, database: Database) -> None:
    """Its value is kept sealed, and no answer holds it."""
    made = await client.put(SECRET, json={"value": "first"})
    changed = await client.put(SECRET, json={"value": VALUE})
    assert (made.status_code, changed.status_code) == (201, 200)
    seen = SecretView.model_validate(changed.json(), strict=False)
    assert (seen.name, seen.version, seen.updated_by, seen.monitors) == ("SHOP_DB", 2, "admin-key", 0)
    assert (await client.get(SECRET)).json() == changed.json()
    async with database.transaction() as work:
        (row,) = await work.fetch("select value from secrets")
    assert VAULT.unseal(row.value) == VALUE
    answers = [made, changed, await client.get(SECRET), await client.get("/api/v1/secrets")]
    assert not [answer for answer in answers if "hunter2" in answer.text or row.value in answer.text]
    assert (await client.delete(SECRET)).status_code == 204
    assert (await client.get(SECRET)).status_code == 404
    assert (await client.delete(SECRET)).status_code == 404


async def test_secrets_are_listed_page_by_page(client: httpx2.AsyncClient, database: Database) -> None:
    """In the order of their names, each once, with how many monitors name it."""
    await asyncio.gather(*(client.put(f"/api/v1/secrets/{name}", json={"value": "x"}) for name in ("b", "A", "a_1")))
    await name_in_monitors(database, "A", 3)
    first = SecretPage.model_validate((await client.get("/api/v1/secrets?limit=2")).json(), strict=False)
    rest = (await client.get("/api/v1/secrets", params={"limit": 2, "cursor": first.next_cursor or ""})).json()
    assert [(item.name, item.monitors) for item in first.items] == [("A", 3), ("a_1", 0)]
    assert [item["name"] for item in rest["items"]] == ["b"]
    assert rest["next_cursor"] is None


async def test_a_secret_in_use_is_not_deleted_by_mistake(client: httpx2.AsyncClient, database: Database) -> None:
    """The problem names the first ten monitors; force deletes it all the same."""
    await client.put(SECRET, json={"value": VALUE})
    await name_in_monitors(database, "SHOP_DB", 12)
    refused = await client.delete(SECRET)
    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/secret-in-use"
    assert [each["name"] for each in refused.json()["monitors"]] == [f"shop {number:02}" for number in range(1, 11)]
    assert (await client.get(SECRET)).status_code == 200
    assert (await client.delete(SECRET, params={"force": "true"})).status_code == 204


@pytest.mark.parametrize("name", ["1A", "a-b", "a b", "ü", "a" * 101])
async def test_a_name_is_letters_digits_and_underscores(client: httpx2.AsyncClient, name: str) -> None:
    """What a reference could not name cannot be set."""
    assert (await client.put(f"/api/v1/secrets/{name}", json={"value": "x"})).status_code == 422


@pytest.mark.parametrize(
    "body", ['{"value": ""}', '{"value": 7777777}', '{"value": "hunter2\\u0000"}', '{"valu": "hunter2"}']
)
async def test_a_wrong_value_is_refused_without_being_repeated(client: httpx2.AsyncClient, body: str) -> None:
    """Empty ones, other types, what the database cannot keep, misspelt fields."""
    refused = await client.put(SECRET, content=body, headers={"Content-Type": "application/json"})
    assert refused.status_code == 422
    assert "hunter2" not in refused.text
    assert "7777777" not in refused.text


async def test_without_a_key_no_secret_is_taken(make_services: MakeServices, open_client: OpenClient) -> None:
    """The problem says which setting is missing; what holds no secrets is taken as ever."""
    services = make_services(vault=Vault())
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    http = {"kind": "http", "url": "https://shop.example/"}
    jobs = [
        {"kind": "collect", "targets": [http | {"headers": {"A": "hunter2"}}]},
        {"kind": "notify", "channel": {"kind": "webhook", "url": "https://h.example/x"}, "message": {"title": "t"}},
        {"kind": "collect", "targets": [http], "webhook": {"url": "https://h.example/hunter2"}},
    ]
    async with open_client(services, headers=headers) as client:
        for job in jobs:
            refused = await client.post("/api/v1/jobs", json=job)
            assert (refused.status_code, refused.json()["type"]) == (409, "/problems/no-secret-key")
            assert "TOCSIN_SECRET_KEYS" in refused.json()["detail"]
        batch = {"jobs": [{"kind": "collect", "targets": [http]}, jobs[0]]}
        results = (await client.post("/api/v1/jobs:batch", json=batch)).json()
        assert "no-secret-key" in str(results)
        assert (await client.post("/api/v1/jobs:batch", json=batch | {"atomic": True})).status_code == 409
        assert (await client.put(SECRET, json={"value": "x"})).status_code == 409
        assert (await client.post("/api/v1/jobs", json={"kind": "collect", "targets": [http]})).status_code == 202


async def test_a_job_sealed_with_a_key_that_is_gone_can_be_told_as_such(
    client: httpx2.AsyncClient, make_services: MakeServices, open_client: OpenClient
) -> None:
    """Its spec cannot be shown; the rest of it can."""
    target = {"kind": "http", "url": "https://shop.example/", "headers": {"A": "hunter2"}}
    job = (await client.post("/api/v1/jobs", json={"kind": "collect", "targets": [target]})).json()
    shown = (await client.get(f"/api/v1/jobs/{job['id']}/spec")).json()
    assert shown["targets"] == [target | {"headers": {"A": "***"}}]
    async with open_client(make_services(vault=Vault()), headers=dict(client.headers)) as keyless:
        assert (await keyless.get(f"/api/v1/jobs/{job['id']}/spec")).status_code == 409
        assert (await keyless.get(f"/api/v1/jobs/{job['id']}")).status_code == 200
        assert (await keyless.get(f"/api/v1/jobs/{uuid4()}/spec")).status_code == 404


async def test_only_admins_set_secrets(make_services: MakeServices, open_client: OpenClient, make_key: MakeKey) -> None:
    """A key that submits may see which there are, and name them."""
    key = await make_key(Scope.SUBMIT)
    async with open_client(make_services(), headers={"Authorization": f"Bearer {key}"}) as client:
        assert (await client.get("/api/v1/secrets")).status_code == 200
        assert (await client.put(SECRET, json={"value": "x"})).status_code == 403
        assert (await client.delete(SECRET)).status_code == 403
