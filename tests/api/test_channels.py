"""Channels over HTTP."""

import json
from typing import Any, get_args
from uuid import UUID

import httpx2
import pytest
from api_client import ADMIN_KEY, MakeServices, OpenClient
from secret_keys import VAULT
from uuid_utils.compat import uuid7

from api.schemas.channels import ChannelKind, ChannelPage, ChannelView
from shared.domain.channel.channel_specs import CHANNEL_KINDS
from shared.services.channel.channel_configs import load_channel
from shared.storage.database import Database
from shared.vault import Vault

CHANNELS = "/api/v1/channels"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OPS = {"name": "ops", "kind": "webhook", "url": "https://hooks.example/hunter2", "secret": SECRET}
MAIL = {"name": "mail", "kind": "email", "to": ["ops@example.org"]}


async def made(client: httpx2.AsyncClient, **document: Any) -> dict[str, Any]:
    answer = await client.post(CHANNELS, json=document)
    assert answer.status_code == 201, answer.text
    ChannelView.model_validate(answer.json(), strict=False)
    return dict(answer.json())


def mistakes(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [each["pointer"] for each in answer.json()["errors"]]


async def add_rule(database: Database, name: str, spec: dict[str, Any]) -> None:
    async with database.transaction() as work:
        await work.run(
            "insert into alert_rules (rule_id, name, spec, created_by) values ($1, $2, $3::text::jsonb, 'tests')",
            uuid7(),
            name,
            json.dumps(spec),
        )


async def test_a_channel_is_made_shown_and_deleted(client: httpx2.AsyncClient) -> None:
    """With its secrets masked, its defaults told, and where it is."""
    answer = await client.post(CHANNELS, json=OPS | {"group_by": ["team"]})
    shown = answer.json()
    assert (shown["url"], shown["secret"]) == ("https://hooks.example/***", "***")
    assert (shown["group_by"], shown["group_wait"], shown["repeat_interval"]) == (["team"], "5s", "4h")
    assert shown["health"] == {
        "failing_since": None,
        "failures": 0,
        "delivered_at": None,
        "circuit_open": False,
        "waiting": 0,
    }
    path = answer.headers["location"]
    seen = await client.get(path)
    assert seen.json() == shown
    assert (await client.get(path, headers={"If-None-Match": seen.headers["etag"]})).status_code == 304
    assert (await client.delete(path, headers={"If-Match": '"7"'})).status_code == 412
    assert (await client.delete(path, headers={"If-Match": seen.headers["etag"]})).status_code == 204
    assert (await client.get(path)).status_code == 404
    assert (await client.delete(path)).status_code == 404


async def test_no_answer_and_no_row_holds_a_secret(client: httpx2.AsyncClient, database: Database) -> None:
    """What is kept is sealed; who tells the channel reads it with the key."""
    shown = await made(client, **OPS)
    assert "hunter2" not in json.dumps(shown)
    async with database.transaction() as work:
        (row,) = await work.fetch("select c::text as text, is_sealed from channels c")
        loaded = await load_channel(work, UUID(shown["id"]), VAULT)
    assert row.is_sealed
    assert "hunter2" not in row.text
    assert SECRET not in row.text
    assert loaded is not None
    assert loaded.channel.model_dump()["url"] == OPS["url"]


async def test_without_a_key_only_channels_without_secrets_are_made(
    make_services: MakeServices, open_client: OpenClient
) -> None:
    """The refusal names the setting."""
    services = make_services(vault=Vault())
    async with open_client(services, headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as client:
        refused = await client.post(CHANNELS, json=OPS)
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/no-secret-key")
        assert (await client.post(CHANNELS, json=MAIL)).status_code == 201


async def test_a_name_is_one_channels(client: httpx2.AsyncClient) -> None:
    """Until it is deleted or renamed; PUT finds the channel by it."""
    first = await made(client, **MAIL)
    taken = await client.post(CHANNELS, json=MAIL)
    assert (taken.status_code, taken.json()["type"], taken.json()["id"]) == (
        409,
        "/problems/channel-exists",
        first["id"],
    )
    same = await client.put(CHANNELS, json=MAIL)
    assert (same.status_code, same.headers["tocsin-unchanged"], same.json()["version"]) == (200, "true", 1)
    changed = await client.put(CHANNELS, json=MAIL | {"group_wait": "1m"})
    assert (changed.json()["id"], changed.json()["version"], changed.json()["group_wait"]) == (first["id"], 2, "1m")
    other = await made(client, **(MAIL | {"name": "other"}))
    path = f"{CHANNELS}/{other['id']}"
    clash = await client.patch(path, json={"name": "mail"}, headers={"If-Match": "*"})
    assert clash.json()["type"] == "/problems/channel-exists"
    await client.delete(f"{CHANNELS}/{first['id']}")
    assert (await client.patch(path, json={"name": "mail"}, headers={"If-Match": "*"})).json()["name"] == "mail"
    assert (await client.put(CHANNELS, json=MAIL | {"name": "new"})).status_code == 201


async def test_a_patch_changes_what_it_names(client: httpx2.AsyncClient) -> None:
    """Null goes back to the default, but for `repeat_interval`, where it means never; the version is asked for."""
    shown = await made(client, **(MAIL | {"group_wait": "1m", "matchers": "team=web"}))
    path = f"{CHANNELS}/{shown['id']}"
    assert (await client.patch(path, json={})).status_code == 428
    patch = {"group_wait": None, "repeat_interval": None, "rate_limit": {"notices": 3, "per": "1m"}}
    changed = (await client.patch(path, json=patch, headers={"If-Match": '"1"'})).json()
    assert (changed["group_wait"], changed["repeat_interval"], changed["matchers"]) == ("5s", None, "team=web")
    assert changed["to"] == MAIL["to"]
    stale = await client.patch(path, json=patch, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["version"]) == (412, 2)
    assert mistakes(await client.patch(path, json={"kind": "webhook"}, headers={"If-Match": "*"})) == ["/kind"]


async def test_stars_stand_for_what_is_kept_and_never_go_to_another_host(
    client: httpx2.AsyncClient, database: Database
) -> None:
    """So that what is write-only stays so."""
    shown = await made(client, **OPS)
    path, anyhow = f"{CHANNELS}/{shown['id']}", {"If-Match": "*"}
    kept = {name: shown[name] for name in ("name", "kind", "url", "secret")}
    assert (await client.put(CHANNELS, json=kept)).headers["tocsin-unchanged"] == "true"
    moved = await client.patch(path, json={"url": "https://evil.example/x"}, headers=anyhow)
    assert mistakes(moved) == ["/secret"]
    assert mistakes(await client.put(CHANNELS, json=kept | {"url": "https://evil.example/***"})) == ["/url"]
    same_host = await client.patch(path, json={"url": "https://hooks.example/b"}, headers=anyhow)
    assert same_host.status_code == 200
    async with database.transaction() as work:
        loaded = await load_channel(work, UUID(shown["id"]), VAULT)
    assert loaded is not None
    assert loaded.channel.secret.get_secret_value() == SECRET  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"kind": "pigeon"}, "/kind"),
        ({"url": "ftp://hooks.example/x"}, "/url"),
        ({"secret": "whsec_short"}, "/secret"),
        ({"colour": "red"}, "/colour"),
        ({"name": ""}, "/name"),
        ({"group_by": ["team", "..."]}, "/group_by"),
        ({"group_wait": "8d"}, "/group_wait"),
        ({"quiet_hours": [{"start": "25:00", "end": "07:00"}]}, "/quiet_hours/0/start"),
        ({"rate_limit": {"notices": 0, "per": "1m"}}, "/rate_limit/notices"),
        ({"matchers": "team"}, "/matchers"),
        ({"templates": {"title": "{% for a in %}"}}, "/templates/title"),
        ({"templates": {"text": "{{ nonsense }}"}}, "/templates/text"),
        ({"url": "https://hooks.example/***", "secret": None}, "/url"),
    ],
)
async def test_a_wrong_channel_is_refused_by_the_place(
    client: httpx2.AsyncClient, change: dict[str, Any], pointer: str
) -> None:
    """The answer says where."""
    assert mistakes(await client.post(CHANNELS, json=OPS | change)) == [pointer]


@pytest.mark.parametrize("spec", [{"channels": ["ops"]}, {"escalation": [{"after": "5m", "channels": ["x", "ops"]}]}])
async def test_a_channel_that_rules_name_keeps_its_name(
    client: httpx2.AsyncClient, database: Database, spec: dict[str, Any]
) -> None:
    """It is neither renamed nor deleted, and the refusal names the rules; all else is changed."""
    shown = await made(client, **OPS)
    await add_rule(database, "slow", spec)
    await add_rule(database, "other", {"channels": ["opsy"]})
    path, anyhow = f"{CHANNELS}/{shown['id']}", {"If-Match": "*"}
    for refused in (await client.delete(path), await client.patch(path, json={"name": "dev"}, headers=anyhow)):
        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/channel-in-use")
        assert [rule["name"] for rule in refused.json()["rules"]] == ["slow"]
    assert (await client.patch(path, json={"group_wait": "1s"}, headers=anyhow)).status_code == 200


async def test_a_channel_is_disabled_with_a_reason_and_enabled_again(client: httpx2.AsyncClient) -> None:
    """Twice is once."""
    path = f"{CHANNELS}/{(await made(client, **MAIL))['id']}"
    off = (await client.post(f"{path}:disable", json={"reason": "moving house"})).json()
    assert off["disabled_at"] is not None
    assert off["disabled_reason"] == "moving house"
    again = await client.post(f"{path}:disable", json={"reason": "moving house"})
    assert (again.headers["tocsin-unchanged"], again.json()["version"]) == ("true", off["version"])
    on = await client.post(f"{path}:enable")
    assert (on.json()["disabled_at"], on.json()["disabled_reason"]) == (None, None)
    assert (await client.post(f"{path}:enable")).headers["tocsin-unchanged"] == "true"
    assert (await client.post(f"{CHANNELS}/{uuid7()}:enable")).status_code == 404


async def test_channels_are_listed_by_name_and_filtered(client: httpx2.AsyncClient, database: Database) -> None:
    """By kind, by what is disabled, by what fails, and by a part of the name."""
    for name in ("c", "a", "b"):
        await made(client, **(MAIL | {"name": name}))
    await made(client, **OPS)
    async with database.transaction() as work:
        await work.run("update channels set failing_since = now(), failures = 5 where name = 'b'")
        await work.run("update channels set disabled_at = now() where name = 'c'")

    async def names(**query: Any) -> list[str]:
        page = ChannelPage.model_validate((await client.get(CHANNELS, params=query)).json(), strict=False)
        return [item.name for item in page.items]

    assert await names() == ["a", "b", "c", "ops"]
    assert await names(kind="webhook") == ["ops"]
    assert await names(disabled=True) == ["c"]
    assert await names(failing=True) == ["b"]
    assert await names(failing=False, disabled=False, kind="email") == ["a"]
    assert await names(q="P") == ["ops"]
    first = (await client.get(CHANNELS, params={"limit": 3})).json()
    rest = (await client.get(CHANNELS, params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [item["name"] for item in rest["items"]] == ["ops"]
    failing = (await client.get(CHANNELS, params={"failing": True})).json()["items"]
    assert failing[0]["health"]["circuit_open"] is True


async def test_a_rate_is_a_limit_that_nobody_else_may_set(client: httpx2.AsyncClient) -> None:
    """It comes and goes with the channel's."""
    shown = await made(client, **(MAIL | {"rate_limit": {"notices": 10, "per": "1m"}}))
    path, limit = f"{CHANNELS}/{shown['id']}", f"/api/v1/limits/channel:{shown['id']}"
    assert (await client.get(limit)).json()["rate"] == {"max": 10, "per": "1m"}
    assert (await client.put(limit, json={"max_running": 1})).status_code == 422
    assert (await client.delete(limit)).status_code == 422
    job = {"kind": "notify", "channel": {"kind": "email", "to": ["a@example.org"]}, "message": {"title": "x"}}
    refused = await client.post("/api/v1/jobs", json=job | {"limit_key": f"channel:{shown['id']}"})
    assert mistakes(refused) == ["/limit_key"]
    await client.patch(path, json={"rate_limit": {"notices": 20}}, headers={"If-Match": "*"})
    assert (await client.get(limit)).json()["rate"] == {"max": 20, "per": "1m"}
    await client.patch(path, json={"rate_limit": None}, headers={"If-Match": "*"})
    assert (await client.get(limit)).status_code == 404


def test_the_kinds_of_the_api_are_those_there_are() -> None:
    """Whoever adds one adds it to the filter."""
    assert set(get_args(ChannelKind)) == set(CHANNEL_KINDS)


async def test_metrics_tell_how_channels_fare(client: httpx2.AsyncClient, database: Database) -> None:
    """How many work, fail and are disabled; each is counted once."""
    for name in ("a", "b", "c", "d"):
        await made(client, **(MAIL | {"name": name}))
    async with database.transaction() as work:
        await work.run("update channels set failing_since = now() where name in ('a', 'b')")
        await work.run("update channels set disabled_at = now() where name = 'b'")
        await work.run("update channels set deleted_at = now() where name = 'd'")
    shown = (await client.get("/metrics")).text.splitlines()
    assert [line for line in shown if line.startswith("tocsin_channels{")] == [
        f'tocsin_channels{{state="{state}"}} 1.0' for state in ("working", "failing", "disabled")
    ]
