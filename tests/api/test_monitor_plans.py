"""Whole sets of monitors over HTTP: planned and applied as shown, or not at all."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from api_client import ADMIN_KEY, MakeServices, OpenClient

from api.schemas.monitor_plans import MonitorPlanView
from shared.vault import Vault, new_key

PLAN, APPLY, MONITORS = "/api/v1/monitors:plan", "/api/v1/monitors:apply", "/api/v1/monitors"


@pytest.fixture
async def keyed(make_services: MakeServices, open_client: OpenClient) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an API process that can keep secrets."""
    services = make_services(vault=Vault([new_key()]))
    async with open_client(services, headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as client:
        yield client


def monitor(name: str, **fields: Any) -> dict[str, Any]:
    target = {"kind": "http", "url": f"http://{name}.example/"}
    return {"name": name, "group": "web", "target": target, **fields}


async def planned(client: httpx2.AsyncClient, *monitors: dict[str, Any], **fields: Any) -> MonitorPlanView:
    response = await client.post(PLAN, json={"owner": "shop", "monitors": monitors, **fields})
    assert response.status_code == 200, response.text
    return MonitorPlanView.model_validate(response.json(), strict=False)


async def apply(client: httpx2.AsyncClient, *monitors: dict[str, Any], **fields: Any) -> httpx2.Response:
    """Plan, and apply what was planned."""
    plan = await planned(client, *monitors, **fields)
    body = {"owner": "shop", "monitors": monitors, "digest": plan.digest, **fields}
    return await client.post(APPLY, json=body)


async def names(client: httpx2.AsyncClient, **parameters: str) -> list[str]:
    return [item["name"] for item in (await client.get(MONITORS, params=parameters)).json()["items"]]


def told(plan: MonitorPlanView) -> list[tuple[str, str]]:
    return [(change.action, change.name) for change in plan.changes]


async def test_a_set_of_monitors_becomes_what_is_said(keyed: httpx2.AsyncClient) -> None:
    """A plan changes nothing; applied, new ones are made, others changed, and those no longer named deleted."""
    assert told(await planned(keyed, monitor("a"), monitor("b"))) == [("create", "a"), ("create", "b")]
    assert await names(keyed) == []
    assert (await apply(keyed, monitor("a"), monitor("b"))).status_code == 200
    assert await names(keyed, owner="shop") == ["a", "b"]
    again = await planned(keyed, monitor("b"), monitor("a"))
    assert (again.changes, again.unchanged) == ([], 2)
    changed = await planned(keyed, monitor("a", interval="5s"), monitor("c"))
    assert told(changed) == [("update", "a"), ("delete", "b"), ("create", "c")]
    assert [field.model_dump() for field in changed.changes[0].fields] == [
        {"field": "interval", "before": "1m", "after": "5s"}
    ]
    assert (await apply(keyed, monitor("a", interval="5s"), monitor("c"))).status_code == 200
    assert await names(keyed) == ["a", "c"]


async def test_what_was_made_by_hand_is_left_alone_until_it_is_adopted(keyed: httpx2.AsyncClient) -> None:
    """It is neither deleted nor changed; naming it is a conflict that keeps all from being done."""
    await keyed.post(MONITORS, json=monitor("by-hand"))
    assert (await apply(keyed, monitor("a"))).status_code == 200
    assert await names(keyed) == ["a", "by-hand"]
    refused = await apply(keyed, monitor("b"), monitor("by-hand"))
    assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (409, "plan-conflict")
    assert [each["name"] for each in refused.json()["changes"] if each["action"] == "conflict"] == ["by-hand"]
    assert await names(keyed) == ["a", "by-hand"]
    assert (await apply(keyed, monitor("a"), monitor("by-hand"), adopt=True)).status_code == 200
    assert await names(keyed, owner="shop") == ["a", "by-hand"]


async def test_of_two_applies_at_once_one_is_told_that_its_plan_is_outdated(keyed: httpx2.AsyncClient) -> None:
    """And what is there is what the other one said, whole."""
    await apply(keyed, *(monitor(f"m{number}") for number in range(20)))
    sets = [[monitor(f"m{number}", interval=f"{seconds}s") for number in range(20)] for seconds in (7, 9)]
    digests = [(await planned(keyed, *each)).digest for each in sets]
    answers = await asyncio.gather(
        *(
            keyed.post(APPLY, json={"owner": "shop", "monitors": each, "digest": digest})
            for each, digest in zip(sets, digests, strict=True)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    loser = next(answer for answer in answers if answer.status_code == 409)
    assert loser.json()["type"].endswith("/plan-outdated")
    intervals = {item["interval"] for item in (await keyed.get(MONITORS)).json()["items"]}
    assert len(intervals) == 1
    assert intervals <= {"7s", "9s"}


async def test_a_plan_from_before_a_change_by_hand_is_outdated(keyed: httpx2.AsyncClient) -> None:
    """Nothing that nobody was shown is ever done."""
    await apply(keyed, monitor("a"))
    wanted = [monitor("a", confirmations=5)]
    plan = await planned(keyed, *wanted)
    found = (await keyed.get(MONITORS)).json()["items"][0]
    await keyed.patch(f"{MONITORS}/{found['id']}", json={"confirmations": 3}, headers={"If-Match": "*"})
    refused = await keyed.post(APPLY, json={"owner": "shop", "monitors": wanted, "digest": plan.digest})
    assert refused.json()["type"].endswith("/plan-outdated")
    assert (await keyed.get(MONITORS)).json()["items"][0]["confirmations"] == 3


async def test_masked_secrets_keep_what_is_stored(keyed: httpx2.AsyncClient) -> None:
    """What was exported can be applied again; a mask that stands for nothing is refused with its place."""
    target = {"kind": "http", "url": "http://a.example/", "headers": {"Authorization": "Bearer tiger"}}
    await apply(keyed, monitor("a", target=target))
    masked = monitor("a", target=target | {"headers": {"Authorization": "***"}})
    assert (await planned(keyed, masked)).changes == []
    unknown = monitor("a", target=target | {"headers": {"X-Other": "***"}})
    refused = await keyed.post(PLAN, json={"owner": "shop", "monitors": [monitor("b"), unknown]})
    assert refused.status_code == 422
    assert "/monitors/1/target/headers/X-Other" in [each["pointer"] for each in refused.json()["errors"]]
    assert "tiger" not in refused.text
    new = await keyed.post(PLAN, json={"owner": "shop", "monitors": [monitor("c"), masked | {"name": "b"}]})
    assert [each["pointer"] for each in new.json()["errors"]] == ["/monitors/1/target/headers/Authorization"]


async def test_all_mistakes_are_told_at_once(keyed: httpx2.AsyncClient) -> None:
    """Each with its pointer."""
    wrong = [monitor("a", interval="1ms"), monitor("b", target={"kind": "http"}), {"name": "c"}]
    refused = await keyed.post(PLAN, json={"owner": "shop", "monitors": wrong})
    assert [each["pointer"] for each in refused.json()["errors"]] == [
        "/monitors/0/interval",
        "/monitors/1/target/url",
        "/monitors/2/target",
    ]


async def test_what_keeps_a_plan_from_being_carried_out_is_told(
    make_services: MakeServices, open_client: OpenClient
) -> None:
    """Without a key nothing that holds secrets can be kept, and that is said."""
    sealed = monitor("a", target={"kind": "http", "url": "http://a.example/", "headers": {"X-Key": "tiger"}})
    services = make_services(vault=Vault())
    async with open_client(services, headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as client:
        refused = await apply(client, sealed)
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/no-secret-key")
        assert refused.json()["detail"].startswith("A secret can be kept only with a key")
        assert await names(client) == []


async def test_numbers_beyond_64_bits_are_refused(client: httpx2.AsyncClient) -> None:
    """JSON may hold any number, and none of them is our mistake."""
    huge = monitor("a", confirmations=10**30)
    planned_so = await client.post(PLAN, json={"owner": "shop", "monitors": [huge]})
    assert [each["pointer"] for each in planned_so.json()["errors"]] == ["/monitors/0/confirmations"]
    batch = await client.post(f"{MONITORS}:batch", json={"items": [{"op": "create", "monitor": huge}]})
    assert [each["status"] for each in batch.json()["results"]] == [422]
