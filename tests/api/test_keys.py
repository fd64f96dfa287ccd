"""API keys over HTTP."""

import httpx2
import pytest

from shared.storage.database import Database


async def test_a_key_is_made_listed_and_revoked(client: httpx2.AsyncClient) -> None:
    """It opens while it stands, and nothing afterwards; its secret is shown once."""
    made = await client.post("/api/v1/keys", json={"name": "ci", "scope": "submit"})
    secret = made.json()["key"]
    assert made.status_code == 201
    assert secret.startswith(f"tocsin_submit_{made.json()['hint']}")
    assert made.headers["cache-control"] == "no-store"
    assert (await client.get("/api/v1/jobs", headers={"Authorization": f"Bearer {secret}"})).status_code == 200
    (listed,) = (await client.get("/api/v1/keys")).json()["items"]
    assert listed == {name: value for name, value in made.json().items() if name != "key"}
    revoked = await client.delete(made.headers["location"])
    assert (revoked.status_code, revoked.json()["revoked_at"] is None) == (200, False)
    assert (await client.get("/api/v1/jobs", headers={"Authorization": f"Bearer {secret}"})).status_code == 401


async def test_revoking_twice_changes_nothing(client: httpx2.AsyncClient) -> None:
    """The first moment stays."""
    location = (await client.post("/api/v1/keys", json={"name": "ci", "scope": "read"})).headers["location"]
    assert (await client.delete(location)).json() == (await client.delete(location)).json()


async def test_the_secret_is_not_stored(client: httpx2.AsyncClient, database: Database) -> None:
    """Who reads the database cannot use what is there."""
    secret = (await client.post("/api/v1/keys", json={"name": "ci", "scope": "read"})).json()["key"]
    async with database.transaction() as work:
        (row,) = await work.fetch("select to_jsonb(k)::text as whole from api_keys k")
    assert secret not in row.whole
    assert secret.removeprefix("tocsin_read_")[5:] not in row.whole


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "", "scope": "read"},
        {"name": "x" * 101, "scope": "read"},
        {"name": "x", "scope": "root"},
        {"name": 1, "scope": "read"},
        {"name": "x\0", "scope": "read"},
        {"name": "x", "scope": "read", "expires_at": "soon"},
        {"name": "x", "scope": "read", "colour": "red"},
    ],
)
async def test_a_wrong_key_is_refused(client: httpx2.AsyncClient, body: dict[str, object]) -> None:
    """422, and none is made."""
    assert (await client.post("/api/v1/keys", json=body)).status_code == 422
    assert (await client.get("/api/v1/keys")).json()["items"] == []


async def test_an_unknown_key_is_not_found(client: httpx2.AsyncClient) -> None:
    """404."""
    assert (await client.delete("/api/v1/keys/00000000-0000-7000-8000-000000000000")).status_code == 404
