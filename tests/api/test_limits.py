"""Limits over HTTP."""

from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from api_client import MakeKey, MakeServices, OpenClient

from api.schemas.limits import LimitPage, LimitView
from shared.domain.access import Scope

LIMIT = "/api/v1/limits/customer-7"


async def test_a_limit_is_set_changed_and_lifted(client: httpx2.AsyncClient) -> None:
    """201 the first time, 200 after; gone when it is lifted."""
    made = await client.put(LIMIT, json={"max_running": 2})
    assert made.status_code == 201
    changed = await client.put(LIMIT, json={"rate": {"max": 10, "per": "1m30s"}})
    seen = LimitView.model_validate(changed.json(), strict=False)
    assert (changed.status_code, seen.max_running, seen.running, seen.blocked) == (200, None, 0, 0)
    assert seen.rate is not None
    assert (seen.rate.max, seen.rate.per) == (10, "1m30s")
    assert (await client.get(LIMIT)).json() == changed.json()
    assert (await client.delete(LIMIT)).status_code == 204
    assert (await client.get(LIMIT)).status_code == 404
    assert (await client.delete(LIMIT)).status_code == 404


@pytest.mark.parametrize("key", ["a/b", "a b", "ü:§", "x?y#z", "%41"])
async def test_a_key_is_any_text(client: httpx2.AsyncClient, key: str) -> None:
    """As jobs name it; in a path it is encoded."""
    path = f"/api/v1/limits/{quote(key, safe='')}"
    assert (await client.put(path, json={"max_running": 2})).json()["key"] == key
    assert (await client.get(path)).json()["key"] == key


async def test_limits_are_listed_page_by_page(client: httpx2.AsyncClient) -> None:
    """In the order of their keys, each once."""
    for number in range(5):
        await client.put(f"/api/v1/limits/key-{number}", json={"max_running": number + 1})
    first = LimitPage.model_validate((await client.get("/api/v1/limits?limit=3")).json(), strict=False)
    rest = (await client.get("/api/v1/limits", params={"limit": 3, "cursor": first.next_cursor or ""})).json()
    keys = [limit.key for limit in first.items] + [item["key"] for item in rest["items"]]
    assert keys == [f"key-{number}" for number in range(5)]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"max_running": None, "rate": None},
        {"max_running": 0},
        {"max_running": "2"},
        {"max_running": 2, "colour": "red"},
        {"rate": {"max": 1}},
        {"rate": {"max": 0, "per": "1s"}},
        {"rate": {"max": 1, "per": "500ms"}},
        {"rate": {"max": 1, "per": 5}},
    ],
)
async def test_a_wrong_limit_is_refused(client: httpx2.AsyncClient, body: dict[str, Any]) -> None:
    """422, and none is made."""
    assert (await client.put(LIMIT, json=body)).status_code == 422
    assert (await client.get("/api/v1/limits")).json()["items"] == []


async def test_only_admins_set_limits(make_services: MakeServices, open_client: OpenClient, make_key: MakeKey) -> None:
    """A key that submits may look, and no more."""
    key = await make_key(Scope.SUBMIT)
    async with open_client(make_services(), headers={"Authorization": f"Bearer {key}"}) as client:
        assert (await client.get("/api/v1/limits")).status_code == 200
        assert (await client.put(LIMIT, json={"max_running": 2})).status_code == 403
        assert (await client.delete(LIMIT)).status_code == 403
