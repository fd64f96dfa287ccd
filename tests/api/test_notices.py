"""Notices over HTTP: what was told, how it went, and telling it anew."""

import json
from typing import Any
from uuid import UUID

import httpx2
import pytest
from http_servers import always, answer, serve
from notice_site import NoticeSite, subject
from uuid_utils.compat import uuid7
from worker_site import worker_process

from api.schemas.notices import ChannelTrialView, NoticeDetailView, NoticePage, NoticeView, RedeliveredView
from shared.services.notice.composition import Composition
from shared.storage.database import Database

NOTICES = "/api/v1/notices"
CHANNELS = "/api/v1/channels"
WAIT = {"Prefer": "wait=30"}


@pytest.fixture
def site(database: Database) -> NoticeSite:
    return NoticeSite(database)


async def given_up(site: NoticeSite, *, name: str = "ops") -> UUID:
    """A notice of one alert that was composed and then refused for good, with the try that met that."""
    notice_id = await waiting(site, name=name)
    async with site.database.transaction() as work:
        (row,) = await work.fetch("select job_id from notices where notice_id = $1", notice_id)
        await Composition(work).prepare(notice_id, job_id=row.job_id)
        await work.run(
            """
            insert into job_attempts (job_id, attempt, dispatch_no, worker_id, started_at, finished_at, outcome, code,
                                      message, queue_wait_ms, run_ms, detail)
            values ($1, 1, 1, 'w1', now(), now(), 'failed', 'rejected', 'the receiver answered 400', 1, 12.5,
                    $2::text::jsonb)
            """,
            row.job_id,
            json.dumps({"status": 400, "duration_ms": 7.25, "answer": "no such hook"}),
        )
        await work.run("update jobs set state = 'cancelled', finished_at = now() where job_id = $1", row.job_id)
        await work.run("update notices set state = 'failed', ended_at = now() where notice_id = $1", notice_id)
        await work.run("update alert_groups set notice_id = null where notice_id = $1", notice_id)
    return notice_id


async def waiting(site: NoticeSite, *, name: str = "ops") -> UUID:
    """A notice that waits to be composed, of a channel of this name."""
    await site.channel(name)
    await site.fire(subject(name, channels=[name]))
    return UUID(str((await site.notices())[-1].notice_id))


async def ids(client: httpx2.AsyncClient, **query: Any) -> list[UUID]:
    answered = await client.get(NOTICES, params=query)
    assert answered.status_code == 200, answered.text
    return [item.id for item in NoticePage.model_validate(answered.json(), strict=False).items]


async def test_a_notice_tells_its_words_and_its_tries(client: httpx2.AsyncClient, site: NoticeSite) -> None:
    """With the receiver's status, the time it took, and what it said."""
    notice_id = await given_up(site)
    shown = (await client.get(f"{NOTICES}/{notice_id}")).json()
    notice = NoticeDetailView.model_validate(shown, strict=False)
    assert (notice.state, notice.status, notice.alerts, notice.number) == ("failed", "firing", 1, 1)
    assert notice.channel.name == "ops"
    assert notice.group_labels == {"alertname": "slow"}
    assert notice.content is not None
    assert notice.content["alerts"][0]["annotations"] == {"summary": "ops is slow"}
    (tried,) = notice.tries
    assert (tried.status, tried.duration_ms, tried.answer) == (400, 7.25, "no such hook")
    assert (tried.code, tried.worker, tried.outcome) == ("rejected", "w1", "failed")
    assert (await client.get(shown["links"]["job"])).status_code == 200
    assert (await client.get(f"{NOTICES}/{uuid7()}")).status_code == 404


async def test_notices_are_listed_and_filtered(client: httpx2.AsyncClient, site: NoticeSite) -> None:
    """The newest first; by channel, state, kind, alert and time, page by page."""
    dead, fresh = await given_up(site), await waiting(site, name="dev")
    tellings = {telling.channel_id: telling for telling in await site.tellings()}
    by_channel = {notice.notice_id: tellings[notice.channel_id] for notice in await site.notices()}
    assert await ids(client) == [fresh, dead]
    assert await ids(client, channel="ops") == [dead]
    assert await ids(client, channel=str(by_channel[fresh].channel_id)) == [fresh]
    assert await ids(client, state=["failed", "delivered"]) == [dead]
    assert await ids(client, kind="reminder") == []
    assert await ids(client, alert=str(by_channel[dead].alert_id)) == [dead]
    assert await ids(client, alert=str(uuid7())) == []
    assert await ids(client, since="2100-01-01T00:00:00Z") == []
    assert await ids(client, until="2100-01-01T00:00:00Z") == [fresh, dead]
    first = (await client.get(NOTICES, params={"limit": 1})).json()
    assert await ids(client, limit=1, cursor=first["next_cursor"]) == [dead]
    unknown = await client.get(NOTICES, params={"channel": "nobody"})
    assert (unknown.status_code, unknown.json()["errors"][0]["parameter"]) == (422, "channel")


async def test_a_dead_letter_is_redelivered(client: httpx2.AsyncClient, site: NoticeSite) -> None:
    """It is on its way, known by the same id; earlier tries stay to be seen, and twice is refused."""
    notice_id = await given_up(site)
    answered = await client.post(f"{NOTICES}/{notice_id}:redeliver")
    notice = NoticeView.model_validate(answered.json(), strict=False)
    assert (notice.id, notice.state, notice.ended_at) == (notice_id, "composed", None)
    (row,) = await site.notices()
    assert (row.job_state, row.effect_id) == ("queued", notice_id)
    assert len((await client.get(f"{NOTICES}/{notice_id}")).json()["tries"]) == 1
    refused = await client.post(f"{NOTICES}/{notice_id}:redeliver")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/not-redeliverable")
    assert (refused.json()["reason"], refused.json()["state"]) == ("state", "composed")
    assert (await client.post(f"{NOTICES}/{uuid7()}:redeliver")).status_code == 404


async def test_dead_letters_are_redelivered_by_filter(client: httpx2.AsyncClient, site: NoticeSite) -> None:
    """Those of a channel; an unknown one is refused by the place."""
    await given_up(site)
    unknown = await client.post(f"{NOTICES}:redeliver", json={"channel": "nobody"})
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/channel")
    done = await client.post(f"{NOTICES}:redeliver", json={"channel": "ops"})
    assert RedeliveredView.model_validate(done.json()) == RedeliveredView(redelivered=1, more=False)
    assert (await client.post(f"{NOTICES}:redeliver", json={})).json() == {"redelivered": 0, "more": False}


async def test_a_channel_is_tried_out(
    client: httpx2.AsyncClient, database: Database, listening: None, database_url: str, redis_url: str
) -> None:
    """Kept or not, the answer says how it went; of one that is not kept nothing is but its job."""
    refusal = always(answer(b"who are you?", status="401 Unauthorized"))
    async with serve(refusal) as server, worker_process(database_url, redis_url):
        templates = {"title": "T {{ kind }}", "body": "no JSON"}
        spec = {"name": "ops", "kind": "webhook", "url": server.url("/hunter2"), "templates": templates}
        for path, is_kept in ((f"{CHANNELS}:test", False), (CHANNELS, True)):
            answered = await client.post(path, json=spec, headers=WAIT)
            if is_kept:
                answered = await client.post(answered.json()["links"]["self"] + ":test", headers=WAIT)
            assert answered.status_code == 200, answered.text
            trial = ChannelTrialView.model_validate(answered.json(), strict=False)
            assert (trial.delivered, trial.status, trial.answer) == (False, 401, "who are you?")
            assert (trial.code, trial.notice is not None) == ("rejected", is_kept)
            assert (trial.template_failed is not None) == is_kept
            assert trial.duration_ms is not None
            assert trial.duration_ms > 0
        first, second = (json.loads(seen.body) for seen in server.seen)
    assert first["data"]["title"] == "T test"
    assert second["alerts"][0]["labels"] == {"alertname": "TocsinTest", "channel": "ops", "severity": "info"}
    async with database.transaction() as work:
        rows = await work.fetch("select spec::text as spec, max_attempts from jobs order by job_id")
    assert [row.max_attempts for row in rows] == [1, 1]
    assert "hunter2" not in str([row.spec for row in rows])


async def test_a_test_without_a_wait_is_a_job_on_its_way(client: httpx2.AsyncClient) -> None:
    """202, and where to follow it; what is wrong or not there is refused."""
    mail = {"name": "mail", "kind": "email", "to": ["ops@example.org"]}
    begun = await client.post(f"{CHANNELS}:test", json=mail)
    assert (begun.status_code, begun.json()["delivered"], begun.headers["location"]) == (202, None, begun.json()["job"])
    assert (await client.post(f"{CHANNELS}:test", json=mail | {"to": []})).status_code == 422
    assert (await client.post(f"{CHANNELS}/{uuid7()}:test")).status_code == 404
