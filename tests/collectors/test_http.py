"""The HTTP collector turns what the client saw into values, metrics and a fault."""

import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from http_servers import always, answer, hang, serve

from shared.collectors.http import HttpCollector
from shared.domain.target.judgement import expect, judge
from shared.domain.target.kinds import METRICS, PLACEHOLDERS
from shared.domain.target.observation import Blame, Observation
from shared.domain.target.outcome import Outcome
from shared.domain.target.targets import HttpTarget
from shared.transport.curl import CurlClient

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def collector(client: CurlClient) -> HttpCollector:
    return HttpCollector(client, clock=lambda: NOW)


def target(url: str, **fields: object) -> HttpTarget:
    return HttpTarget.model_validate({"kind": "http", "url": url, **fields})


def outcome_of(observation: Observation, *conditions: str) -> Outcome:
    return judge(observation, expect("http", conditions)).outcome


async def test_an_answer_becomes_values_and_metrics(collector: HttpCollector) -> None:
    """Under the names that conditions and samples know, and no others."""
    body = json.dumps({"status": "UP", "items": [{"id": 7}]}).encode()
    raw = answer(body, headers={"Content-Type": "application/json", "X-Node": "a"})
    async with serve(always(raw)) as server:
        seen = await collector.collect(target(server.url()))
    assert seen.fault is None
    assert set(seen.values) <= set(PLACEHOLDERS["http"])
    assert (seen.values["STATUS"], seen.values["CONNECTED"], seen.values["IP"]) == (200, True, "127.0.0.1")
    assert seen.values["RESPONSE_TIME"] == seen.duration_ms > 0
    assert seen.values["HEADER"]["x-node"] == "a"
    assert set(seen.metrics) == {
        "status", "dns_ms", "connect_ms", "first_byte_ms", "transfer_ms", "size_bytes", "redirects",
    }  # fmt: skip
    assert set(seen.metrics) <= set(METRICS["http"])
    assert (seen.metrics["status"], seen.metrics["size_bytes"], seen.metrics["redirects"]) == (200, len(body), 0)
    assert outcome_of(seen, "[BODY].status == UP", "[BODY].items[0].id == 7", "[HEADER].x-node == a") is Outcome.UP
    assert outcome_of(seen, "[BODY].status == DOWN") is Outcome.DOWN


async def test_everything_that_the_target_names_is_sent(collector: HttpCollector) -> None:
    """Method, headers and body."""
    async with serve(always(answer())) as server:
        await collector.collect(
            target(server.url(), method="PUT", body="grüße", headers={"Authorization": "Bearer secret"})
        )
    seen = server.seen[0]
    assert (seen.method, seen.body.decode(), seen.headers["authorization"]) == ("PUT", "grüße", "Bearer secret")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("200 OK", Outcome.UP),
        ("204 No", Outcome.UP),
        ("301 Go", Outcome.UP),
        ("404 No", Outcome.DOWN),
        ("503 No", Outcome.DOWN),
    ],
)
async def test_without_a_condition_on_it_the_status_has_to_be_below_400(
    collector: HttpCollector, status: str, outcome: Outcome
) -> None:
    """An error page is no service; a redirect not followed is an answer."""
    async with serve(always(answer(status=status, headers={"Location": "/x"}))) as server:
        seen = await collector.collect(target(server.url(), follow_redirects=False))
    assert outcome_of(seen) is outcome
    assert outcome_of(seen, "[STATUS] < 600") is Outcome.UP


async def test_a_certificates_end_is_told_in_seconds_and_days(
    collector: HttpCollector, tls: Callable[..., ssl.SSLContext]
) -> None:
    """From now, so that conditions compare it with durations."""
    async with serve(always(answer()), tls=tls(ends=NOW + timedelta(hours=36))) as server:
        seen = await collector.collect(target(server.url()))
    assert seen.values["CERTIFICATE_EXPIRATION"] == timedelta(hours=36).total_seconds()
    assert seen.metrics["certificate_days"] == 1.5
    assert seen.metrics["tls_ms"] > 0
    assert outcome_of(seen, "[CERTIFICATE_EXPIRATION] > 24h") is Outcome.UP
    assert outcome_of(seen, "[CERTIFICATE_EXPIRATION] > 48h") is Outcome.DOWN


async def test_a_refused_certificate_tells_its_end_too(
    collector: HttpCollector, tls: Callable[..., ssl.SSLContext]
) -> None:
    """Down, and everybody can see since when."""
    context = tls(ends=NOW - timedelta(days=2), by=trustme.CA())
    async with serve(always(answer()), tls=context) as server:
        seen = await collector.collect(target(server.url()))
    assert seen.fault is not None
    assert (seen.fault.code, seen.fault.blame) == ("tls_invalid", Blame.TARGET)
    assert seen.values["CERTIFICATE_EXPIRATION"] == -timedelta(days=2).total_seconds()
    assert seen.metrics["certificate_days"] == -2
    assert (seen.values["CONNECTED"], "STATUS" in seen.values) == (True, False)
    assert outcome_of(seen) is Outcome.DOWN


async def test_a_refused_connection_is_down_and_can_be_wanted(collector: HttpCollector) -> None:
    """`[CONNECTED] == false` watches a port that has to stay closed."""
    async with serve(always(b"")) as server:
        pass
    seen = await collector.collect(target(server.url()))
    assert seen.values["CONNECTED"] is False
    assert outcome_of(seen) is Outcome.DOWN
    assert outcome_of(seen, "[CONNECTED] == false") is Outcome.UP


async def test_a_timeout_is_down_and_keeps_the_phases_it_reached(collector: HttpCollector) -> None:
    """The timeout is the target's own."""
    async with serve(hang) as server:
        seen = await collector.collect(target(server.url(), timeout="150ms"))
    assert seen.fault is not None
    assert seen.fault.code == "timeout"
    assert "connect_ms" in seen.metrics
    assert "first_byte_ms" not in seen.metrics
    assert outcome_of(seen, "[CONNECTED] == true") is Outcome.DOWN


async def test_what_we_do_not_dial_is_an_error_and_never_down(collector: HttpCollector) -> None:
    """Nothing is known of the target."""
    seen = await collector.collect(target("http://10.0.0.1/"))
    assert seen.fault is not None
    assert seen.fault.code == "blocked_by_policy"
    assert outcome_of(seen) is Outcome.ERROR


async def test_a_body_beyond_the_limit_is_cut_and_says_so(collector: HttpCollector) -> None:
    """It is no fault: what conditions ask is usually at the beginning."""
    async with serve(always(answer(b"needle" + b"x" * 2_000_000))) as server:
        seen = await collector.collect(target(server.url()))
    assert seen.values["BODY_TRUNCATED"] is True
    assert seen.metrics["size_bytes"] == len(seen.values["BODY"]) == 1024 * 1024
    assert outcome_of(seen, "[BODY] == pat(needle*)") is Outcome.UP


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("text/plain", "grün".encode(), "grün"),
        ("text/plain; charset=iso-8859-1", "grün".encode("latin-1"), "grün"),
        ('text/plain; charset="UTF-16"', "grün".encode("utf-16"), "grün"),
        ("text/plain; charset=no-such", "grün".encode(), "grün"),
        ("text/plain; charset=hex", b"6f6b", "6f6b"),
        ("text/plain; charset=\x7f;;=", b"ok", "ok"),
        ("text/plain", b"\xff\xfe!", "\ufffd\ufffd!"),
    ],
)
async def test_a_body_is_read_in_its_charset(
    collector: HttpCollector, content_type: str, body: bytes, text: str
) -> None:
    """A charset that is missing, unknown or no charset falls back to UTF-8, and nothing makes reading fail."""
    async with serve(always(answer(body, headers={"Content-Type": content_type}))) as server:
        seen = await collector.collect(target(server.url()))
    assert seen.values["BODY"] == text
