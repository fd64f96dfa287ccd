"""Many changes of monitors at once, and changes of all that are selected."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

MONITORS = "/api/v1/monitors"
BATCH = f"{MONITORS}:batch"


def spec(name: str, **fields: Any) -> dict[str, Any]:
    """A monitor of a file, which holds no secret."""
    return {"name": name, "target": {"kind": "file", "path": f"/var/log/{name}"}} | fields


def create(name: str, **fields: Any) -> dict[str, Any]:
    """An item that makes a monitor."""
    return {"op": "create", "monitor": spec(name, **fields)}


async def sent(client: httpx2.AsyncClient, *items: dict[str, Any], atomic: bool = False) -> dict[str, Any]:
    """What a batch answers."""
    response = await client.post(BATCH, json={"items": list(items), "atomic": atomic})
    assert response.status_code == 200, response.text
    return dict(response.json())


async def names(client: httpx2.AsyncClient, query: str = "") -> list[str]:
    """The monitors there are."""
    return [item["name"] for item in (await client.get(f"{MONITORS}?limit=200&{query}")).json()["items"]]


async def test_each_item_has_its_own_result(client: httpx2.AsyncClient) -> None:
    """What is right is done although its neighbours are wrong; results are in the order of the items."""
    first = await sent(client, *(create(name) for name in ("a", "b", "c", "d", "e", "f")))
    ids = [result["id"] for result in first["results"]]
    assert (first["done"], first["refused"]) == (6, 0)
    answer = await sent(
        client,
        {"op": "update", "id": ids[0], "patch": {"interval": "20s"}, "version": 1},
        {"op": "update", "id": ids[1], "patch": {"interval": "20s"}, "version": 7},
        {"op": "pause", "id": ids[2]},
        {"op": "resume", "id": ids[3]},
        {"op": "delete", "id": ids[4]},
        {"op": "upsert", "monitor": spec("f", interval="5s")},
        {"op": "upsert", "monitor": spec("g")},
        create("a"),
        {"op": "delete", "id": str(uuid4())},
        {"op": "update", "id": ids[5], "patch": {"interval": "1ms"}},
        {"op": "fly"},
        create("h", interval="nonsense"),
        {"op": "delete", "id": ids[2]},
    )
    told = [(result["status"], result.get("result")) for result in answer["results"]]
    assert told == [
        (200, "changed"),
        (412, None),
        (200, "changed"),
        (200, "unchanged"),
        (204, "deleted"),
        (200, "changed"),
        (201, "created"),
        (409, None),
        (404, None),
        (422, None),
        (422, None),
        (422, None),
        (422, None),
    ]
    pointers = [result["problem"]["errors"][0]["pointer"] for result in answer["results"][9:]]
    assert pointers == ["/items/9", "/items/10/op", "/items/11/monitor/interval", "/items/12"]
    assert (answer["done"], answer["refused"]) == (6, 7)
    assert await names(client) == ["a", "b", "c", "d", "f", "g"]
    assert await names(client, "paused=true") == ["c"]


async def test_the_place_of_a_wrong_patch_is_told(client: httpx2.AsyncClient) -> None:
    """A pointer through the batch into the patch."""
    monitor = (await sent(client, create("a")))["results"][0]
    answer = await sent(client, {"op": "update", "id": monitor["id"], "patch": {"target": {"path": ""}}})
    assert answer["results"][0]["problem"]["errors"][0]["pointer"] == "/items/0/patch/target/path"


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        (create("x", confirmations=99), 422),
        (create("a"), 409),
        ({"op": "pause", "id": str(uuid4())}, 404),
        (create("b"), 422),
    ],
)
async def test_an_atomic_batch_is_done_whole_or_not_at_all(
    client: httpx2.AsyncClient, wrong: dict[str, Any], status: int
) -> None:
    """One refusal refuses all, and says where."""
    await sent(client, create("a"))
    refused = await client.post(BATCH, json={"items": [create("b"), create("c"), wrong], "atomic": True})
    assert refused.status_code == status
    problem = refused.json()
    assert problem.get("pointer", problem.get("errors", [{}])[0].get("pointer")).startswith("/items/2")
    assert await names(client) == ["a"]
    assert (await sent(client, create("b"), create("c"), atomic=True))["done"] == 2


async def test_a_name_that_a_batch_frees_can_be_taken_by_it(client: httpx2.AsyncClient) -> None:
    """By the items behind the one that frees it."""
    monitor = (await sent(client, create("a")))["results"][0]
    answer = await sent(client, {"op": "delete", "id": monitor["id"]}, create("a"))
    assert [result["status"] for result in answer["results"]] == [204, 201]
    assert answer["results"][1]["id"] != monitor["id"]


async def test_a_name_that_is_taken_is_not_given_again(client: httpx2.AsyncClient) -> None:
    """Neither to a new monitor nor to a renamed one, nor twice in one batch."""
    ids = [result["id"] for result in (await sent(client, create("a"), create("b"), create("c")))["results"]]
    answer = await sent(
        client,
        {"op": "update", "id": ids[0], "patch": {"name": "b"}},
        {"op": "update", "id": ids[1], "patch": {"name": "d"}},
        {"op": "update", "id": ids[2], "patch": {"name": "d"}},
        create("e"),
        create("e"),
    )
    assert [result["status"] for result in answer["results"]] == [409, 200, 422, 201, 422]
    assert await names(client) == ["a", "c", "d", "e"]


@pytest.mark.parametrize("body", [{}, {"items": []}, {"items": "all"}, {"items": [create("a")], "colour": "red"}])
async def test_a_wrong_batch_is_refused(client: httpx2.AsyncClient, body: dict[str, Any]) -> None:
    """422 for the whole."""
    assert (await client.post(BATCH, json=body)).status_code == 422


async def test_a_thousand_monitors_are_made_at_once(client: httpx2.AsyncClient) -> None:
    """And put again, unchanged; more are refused."""
    items = [{"op": "upsert", "monitor": spec(f"m{number:04}", group="many")} for number in range(1000)]
    made, again = await sent(client, *items), await sent(client, *items)
    assert {result["result"] for result in made["results"]} == {"created"}
    assert {result["result"] for result in again["results"]} == {"unchanged"}
    assert (await client.post(BATCH, json={"items": [*items, items[0]]})).status_code == 422
    paused = (await client.post(f"{MONITORS}:pause", json={"group": "many"})).json()
    assert paused == {"changed": 1000, "more": False}


async def test_selected_monitors_are_paused_resumed_and_deleted(client: httpx2.AsyncClient) -> None:
    """All that have the labels, and no others; what is so already is not counted."""
    await sent(client, *(create(name, labels={"team": "web"}) for name in ("a", "b")), create("c"))
    team = {"label": ["team:web"]}
    assert (await client.post(f"{MONITORS}:pause", json=team)).json() == {"changed": 2, "more": False}
    assert (await client.post(f"{MONITORS}:pause", json=team)).json() == {"changed": 0, "more": False}
    assert await names(client, "paused=true") == ["a", "b"]
    assert (await client.post(f"{MONITORS}:resume", json={"q": "A"})).json()["changed"] == 1
    assert (await client.post(f"{MONITORS}:delete", json=team)).json()["changed"] == 2
    assert await names(client) == ["c"]
    assert (await client.post(f"{MONITORS}:delete", json={"all": True})).json()["changed"] == 1


@pytest.mark.parametrize(
    "body", [{}, {"label": []}, {"all": False}, {"all": True, "q": "a"}, {"label": ["a b"]}, {"colour": "red"}]
)
async def test_a_selection_says_what_it_means(client: httpx2.AsyncClient, body: dict[str, Any]) -> None:
    """An empty one is refused: nobody deletes all by a slip."""
    await sent(client, create("a"))
    assert (await client.post(f"{MONITORS}:delete", json=body)).status_code == 422
    assert await names(client) == ["a"]
