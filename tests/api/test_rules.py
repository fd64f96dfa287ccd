"""Rules over HTTP."""

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from api_client import ADMIN_KEY, BASE_URL, MakeKey, MakeServices, OpenClient
from uuid_utils.compat import uuid7

from api.schemas.rules import RuleDetailView, RulePage, RuleVersionPage, RuleVersionView
from shared.domain.access import Scope
from shared.domain.rule import rules as rule_values
from shared.domain.rule.expressions import format_expression, parse_expression
from shared.services.rule import rules as rule_service
from shared.storage.database import Database

RULES = "/api/v1/rules"
SLOW = {"name": "slow", "selector": "team=web", "expression": "p95(duration_ms, 5m) > 300", "for": "2m"}
DOWN = {"name": "down", "condition": {"state": ["down"]}, "severity": "critical"}
OPS = {"name": "ops", "kind": "webhook", "url": "https://hooks.example/ops"}
ANY = {"If-Match": "*"}
PAGE = Path("docs/rules.md").read_text()


async def made(client: httpx2.AsyncClient, **document: Any) -> dict[str, Any]:
    answer = await client.post(RULES, json=document)
    assert answer.status_code == 201, answer.text
    RuleDetailView.model_validate(answer.json(), strict=False)
    return dict(answer.json())


def mistakes(answer: httpx2.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {each["pointer"]: each["detail"] for each in answer.json()["errors"]}


async def test_a_rule_is_made_shown_and_deleted(client: httpx2.AsyncClient) -> None:
    """With its condition in one line and as JSON, its defaults told, and where it is."""
    answer = await client.post(RULES, json=SLOW)
    assert answer.status_code == 201
    rule = answer.json()
    assert rule["expression"] == "p95(duration_ms, 5m) > 300"
    assert rule["condition"]["figure"] == {
        "aggregate": "p95",
        "metric": "duration_ms",
        "window": "5m",
    }
    assert (rule["for"], rule["keep_firing_for"], rule["severity"], rule["no_data"]) == ("2m", "0s", "warning", "keep")
    assert (rule["monitors"], rule["alerts"], rule["version"]) == (0, {"firing": 0, "pending": 0}, 1)
    path = answer.headers["location"]
    assert path == rule["links"]["self"]
    seen = await client.get(path)
    assert seen.json() == rule
    assert (await client.get(path, headers={"If-None-Match": seen.headers["etag"]})).status_code == 304
    assert (await client.delete(path, headers={"If-Match": '"7"'})).status_code == 412
    assert (await client.delete(path, headers={"If-Match": seen.headers["etag"]})).status_code == 204
    assert (await client.get(path)).status_code == 404
    assert (await client.delete(path)).status_code == 404
    await made(client, **SLOW)


async def test_what_is_shown_can_be_sent_back(client: httpx2.AsyncClient) -> None:
    """The condition as JSON makes the same rule as the line it was written in."""
    rule = await made(client, **SLOW)
    document = {name: value for name, value in SLOW.items() if name != "expression"}
    same = await client.put(RULES, json=document | {"condition": rule["condition"]})
    assert (same.status_code, same.headers["tocsin-unchanged"]) == (200, "true")


async def test_a_rule_is_put_by_its_name(client: httpx2.AsyncClient) -> None:
    """201, then 200; one that is as it should be is told as unchanged and keeps its version."""
    answers = [await client.put(RULES, json=body) for body in (SLOW, SLOW, SLOW | {"for": "3m"})]
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert ["tocsin-unchanged" in answer.headers for answer in answers] == [False, True, False]
    assert [answer.json()["version"] for answer in answers] == [1, 1, 2]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_there_is_one_rule_of_a_name(client: httpx2.AsyncClient) -> None:
    """A second one is refused and leads to the first; so is a rename to its name."""
    first = await made(client, **SLOW)
    other = await made(client, **DOWN)
    second = await client.post(RULES, json=SLOW | {"for": "5m"})
    assert (second.status_code, second.json()["type"]) == (409, "/problems/rule-exists")
    assert second.json()["rule"] == first["links"]["self"]
    renamed = await client.patch(other["links"]["self"], json={"name": "slow"}, headers=ANY)
    assert (renamed.status_code, renamed.json()["type"]) == (409, "/problems/rule-exists")


async def test_fields_are_patched(client: httpx2.AsyncClient) -> None:
    """Objects are merged, lists and conditions replaced, null takes out."""
    path = (await made(client, **SLOW, labels={"team": "web", "tier": "1"}))["links"]["self"]
    patch = {"expression": "state == down", "labels": {"tier": None}, "for": None}
    changed = (await client.patch(path, json=patch, headers=ANY)).json()
    assert (changed["expression"], changed["condition"]) == ("state == down", {"state": ["down"]})
    assert (changed["labels"], changed["for"], changed["version"]) == ({"team": "web"}, "0s", 2)
    same = await client.patch(path, json=patch, headers=ANY)
    assert (same.headers["tocsin-unchanged"], same.json()["version"]) == ("true", 2)
    for wrong in ({"enabled": "yes"}, {"id": "1"}, {"expression": None, "condition": None}):
        assert (await client.patch(path, json=wrong, headers=ANY)).status_code == 422
    both = await client.patch(path, json={"expression": "state == up", "condition": {"slo": 99}}, headers=ANY)
    assert mistakes(both) == {"": "give expression or condition, one of the two"}
    other = await client.patch(path, json={"condition": {"slo": 99}}, headers=ANY)
    assert other.json()["expression"] == "slo(99%)"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_change_names_the_version_it_changes(client: httpx2.AsyncClient, method: str) -> None:
    """428 without If-Match, 412 with an old one; alerts that come and go do not matter."""
    path = (await made(client, **SLOW))["links"]["self"]
    tag = (await client.get(path)).headers["etag"]
    assert (await client.request(method, path, json=SLOW)).status_code == 428
    changed = await client.request(method, path, json=SLOW | {"for": "1m"}, headers={"If-Match": tag})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    late = await client.request(method, path, json=SLOW, headers={"If-Match": tag})
    assert (late.status_code, late.json()["version"]) == (412, 2)
    gone = await client.request(method, f"{RULES}/{uuid7()}", json=SLOW, headers=ANY)
    assert gone.status_code == 404


async def test_replacing_takes_the_defaults_of_what_is_not_said(client: httpx2.AsyncClient) -> None:
    """And may give a rule another name."""
    path = (await made(client, **SLOW))["links"]["self"]
    replaced = await client.put(path, json=DOWN, headers=ANY)
    assert (replaced.status_code, replaced.json()["name"], replaced.json()["for"]) == (200, "down", "0s")
    assert replaced.json()["links"]["self"] == path


async def test_versions_are_kept(client: httpx2.AsyncClient) -> None:
    """Each change is one, the newest first, page by page, as long as there is the rule."""
    path = (await made(client, **SLOW))["links"]["self"]
    for seconds in (10, 20):
        await client.patch(path, json={"for": f"{seconds}s"}, headers=ANY)
    page = (await client.get(f"{path}/versions?limit=2")).json()
    RuleVersionPage.model_validate(page, strict=False)
    assert [(each["version"], each["rule"]["for"]) for each in page["items"]] == [(3, "20s"), (2, "10s")]
    rest = (await client.get(f"{path}/versions", params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert [(each["version"], each["rule"]["for"]) for each in rest["items"]] == [(1, "2m")]
    assert rest["next_cursor"] is None
    one = (await client.get(f"{path}/versions/1")).json()
    RuleVersionView.model_validate(one, strict=False)
    assert one == rest["items"][0]
    assert (await client.get(f"{path}/versions/4")).status_code == 404
    await client.delete(path)
    assert (await client.get(f"{path}/versions")).status_code == 404
    assert (await client.get(f"{path}/versions/1")).status_code == 404
    assert (await client.get(f"{RULES}/{uuid7()}/versions")).status_code == 404


async def test_rules_are_listed_by_name_and_filtered(client: httpx2.AsyncClient) -> None:
    """Page by page; filters narrow."""
    await client.post("/api/v1/channels", json=OPS)
    await made(client, **SLOW)
    await made(client, **DOWN, channels=["ops"], enabled=False)
    first = (await client.get(RULES, params={"limit": 1})).json()
    RulePage.model_validate(first, strict=False)
    second = (await client.get(RULES, params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert [each["name"] for each in first["items"] + second["items"]] == ["down", "slow"]
    for query, names in {
        "q=LO": ["slow"],
        "enabled=false": ["down"],
        "severity=critical": ["down"],
        "severity=critical&severity=warning": ["down", "slow"],
        "channel=ops": ["down"],
        "channel=none": [],
        "owner=files": [],
    }.items():
        assert [each["name"] for each in (await client.get(f"{RULES}?{query}")).json()["items"]] == names, query


@pytest.mark.parametrize(
    ("document", "pointer", "detail"),
    [
        ({"expression": "p95(duration_ms) > 3"}, "/expression", 'column 16: ")" cannot stand here'),
        ({"expression": "latest(size) > 5"}, "/expression", 'there is no metric "size"'),
        ({"expression": 'cel("x > 3.0")'}, "/expression", "the CEL expression has the unknown variable x"),
        ({"condition": {"slo": 200}}, "/condition/slo", "Input should be less than 100"),
        ({"condition": {"any": [{"state": ["gone"]}]}}, "/condition/any/0/state/0", "Input should be"),
        ({"condition": {}}, "/condition", "a condition has one of"),
        ({}, "", "give expression or condition"),
        ({"expression": "slo(9%)", "condition": {"slo": 9}}, "", "give expression or condition"),
        ({"expression": "slo(9%)", "selector": "kind=nothing"}, "/selector", "there is no kind of monitor"),
        ({"expression": "slo(9%)", "selector": "team"}, "/selector", '"team" is no matcher'),
        ({"expression": "slo(9%)", "channels": ["ops", "opps"]}, "/channels/1", 'there is no channel "opps"'),
        (
            {"expression": "slo(9%)", "escalation": [{"after": "5m", "channels": ["boss"]}]},
            "/escalation/0/channels/0",
            'there is no channel "boss"',
        ),
        ({"expression": "slo(9%)", "escalation": [{"after": "5", "channels": ["x"]}]}, "/escalation/0/after", '"5" is'),
        ({"expression": "slo(9%)", "labels": {"severity": "high"}}, "/labels/severity", "an alert's label"),
        ({"expression": "slo(9%)", "annotations": {"note": "{{ secrets }}"}}, "/annotations/note", 'there is no "secr'),
        ({"expression": "slo(9%)", "for": "-5m"}, "/for", "a duration is not negative"),
        ({"expression": "slo(9%)", "for": "32d"}, "/for", "Input should be less than or equal to 31d"),
        ({"expression": "slo(9%)", "forr": "5m"}, "/forr", "Extra inputs are not permitted"),
    ],
)
async def test_a_rule_that_could_not_judge_is_refused(
    client: httpx2.AsyncClient, document: dict[str, Any], pointer: str, detail: str
) -> None:
    """With the place and what could stand there."""
    await client.post("/api/v1/channels", json=OPS)
    found = mistakes(await client.post(RULES, json={"name": "r", **document}))
    assert found[pointer].startswith(detail)


async def test_a_patch_may_be_nested_as_deep_as_it_likes(client: httpx2.AsyncClient) -> None:
    """It is refused, whatever stands in whatever."""
    path = (await made(client, **SLOW))["links"]["self"]
    for depth, status in ((100, 422), (1000, 400), (5000, 400)):
        for name in ("labels", "condition"):
            body = f'{{"{name}":' + '{"all":' * depth + '"\\u0000"' + "}" * depth + "}"
            answer = await client.patch(path, content=body, headers={**ANY, "Content-Type": "application/json"})
            assert answer.status_code == status, (depth, name)


async def test_steps_of_escalation_come_one_after_the_other(client: httpx2.AsyncClient) -> None:
    """A step that would be due before the one before it is refused."""
    await client.post("/api/v1/channels", json=OPS)
    steps = [{"after": after, "channels": ["ops"]} for after in ("5m", "10m", "10m")]
    found = mistakes(await client.post(RULES, json=DOWN | {"escalation": steps}))
    assert found == {"/escalation/2/after": "a step comes later than the one before it"}


async def test_a_window_is_no_longer_than_samples_are_kept(
    make_services: MakeServices, open_client: OpenClient
) -> None:
    """What is deleted cannot be judged."""
    services = make_services(settings={"sample_days": 2})
    async with open_client(services, headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as client:
        found = mistakes(await client.post(RULES, json=SLOW | {"expression": "uptime(3d) < 99%"}))
    assert found == {"/expression": "uptime(3d) looks back 3d, and samples are kept for 2d"}


async def test_a_channel_that_rules_name_is_held(client: httpx2.AsyncClient) -> None:
    """It cannot be deleted until no rule names it."""
    path = (await client.post("/api/v1/channels", json=OPS)).headers["location"]
    rule = await made(client, **DOWN, channels=["ops"])
    refused = await client.delete(path)
    assert (refused.status_code, refused.json()["rules"]) == (409, [{"id": rule["id"], "name": "down"}])
    await client.delete(rule["links"]["self"])
    assert (await client.delete(path)).status_code == 204


async def test_a_rule_tells_how_many_monitors_it_judges(client: httpx2.AsyncClient) -> None:
    """By labels, patterns, and what the kind has to have."""
    web = {"kind": "http", "url": "https://shop.example/"}
    log = {"kind": "file", "path": "/var/log/syslog"}
    for name, target, labels in (("a", web, {"team": "web"}), ("b", web, {}), ("c", log, {"team": "web"})):
        await client.post("/api/v1/monitors", json={"name": name, "target": target, "labels": labels})
    for selector, expression, count in (
        ("", "state == down", 3),
        ("team=web", "state == down", 2),
        ("team=web, team=api", "state == down", 0),
        ("team!=web", "state == down", 1),
        ("team=", "state == down", 1),
        ('monitor=~"[ab]"', "state == down", 2),
        ("", "latest(certificate_days) < 14", 2),
        ("kind=file", "latest(size_bytes) > 5 MB", 1),
    ):
        rule = (await client.put(RULES, json={"name": "r", "selector": selector, "expression": expression})).json()
        assert rule["monitors"] == count, selector


async def test_a_rule_tells_how_many_alerts_are_open(client: httpx2.AsyncClient, database: Database) -> None:
    """Firing and pending; and another number of them is another entity tag, of the same version."""
    rule = await made(client, **DOWN)
    tag = (await client.get(rule["links"]["self"])).headers["etag"]
    async with database.transaction() as work:
        await work.run(
            """
            insert into alerts (alert_id, source, fingerprint, rule_id, name, severity, labels, state, started_at,
                                fired_at, reason)
            select gen_random_uuid(), 'rule', sha256(n::text::bytea), $1, 'down', 'critical', '{}',
                   case when n = 1 then 'pending' else 'firing' end, now(), now(), 'met' from generate_series(1, 3) n
            """,
            rule["id"],
        )
    seen = await client.get(rule["links"]["self"])
    assert seen.json()["alerts"] == {"firing": 2, "pending": 1}
    assert (await client.get(RULES)).json()["items"][0]["alerts"] == {"firing": 2, "pending": 1}
    assert seen.headers["etag"] != tag
    assert (await client.patch(rule["links"]["self"], json={}, headers={"If-Match": tag})).status_code == 200


async def test_there_are_only_so_many_rules(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused; those there are can be changed."""
    monkeypatch.setattr(rule_service, "MAX_RULES", 1)
    await made(client, **SLOW)
    refused = await client.post(RULES, json=DOWN)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/too-many-rules")
    assert (await client.put(RULES, json=SLOW | {"for": "1s"})).status_code == 200
    assert rule_values.MAX_RULES == 1_000


async def test_reading_needs_read_and_changing_submit(app: Any, make_key: MakeKey) -> None:
    """As for monitors."""
    headers = {"Authorization": f"Bearer {await make_key(Scope.READ)}"}
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL, headers=headers) as reader:
        assert (await reader.get(RULES)).status_code == 200
        assert (await reader.post(RULES, json=SLOW)).status_code == 403
    headers = {"Authorization": f"Bearer {await make_key(Scope.SUBMIT)}"}
    async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL, headers=headers) as writer:
        assert (await writer.post(RULES, json=SLOW)).status_code == 201


async def test_every_rule_of_the_page_can_be_made(client: httpx2.AsyncClient) -> None:
    """The examples and the expressions that docs/rules.md recommends are taken as they stand."""
    for body in re.findall(r"-d '\n(.*?)'", PAGE, re.DOTALL):
        await made(client, **json.loads(body))
    recommended = re.findall(r"^\| [^|]+ \| `([^`]+)` \| [^|]*\|$", PAGE.partition("## Fields")[0], re.MULTILINE)
    assert len(recommended) >= 7
    for expression in recommended:
        assert format_expression(parse_expression(expression)) == expression
        await made(client, name=expression, expression=expression)
