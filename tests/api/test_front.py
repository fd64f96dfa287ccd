"""What every answer has in common, and the last word on errors."""

import asyncio
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from api_client import ADMIN_KEY, BASE_URL, MakeServices, OpenClient
from starlette.types import ASGIApp

from api.access_log import AccessLog
from api.app import create_app
from api.exchange import Exchange
from api.main import make_config
from api.problem_kinds import KINDS
from api.services import ApiServices

KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}
JOB = {"kind": "collect", "targets": [{"kind": "file", "path": "/var/log/x"}]}


async def test_a_request_id_is_made_and_returned(client: httpx2.AsyncClient) -> None:
    """Each request has its own."""
    ids = [(await client.get("/livez")).headers["x-request-id"] for _ in range(3)]
    assert len(set(ids)) == 3


async def test_a_sane_request_id_is_kept(client: httpx2.AsyncClient) -> None:
    """A proxy's id goes through to the log and the problem."""
    response = await client.get("/nothing", headers={"X-Request-Id": "edge-42:a.b_c"})
    assert response.headers["x-request-id"] == "edge-42:a.b_c"
    assert response.json()["instance"] == "/requests/edge-42:a.b_c"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a/b", "<script>", '"'])
async def test_a_strange_request_id_is_replaced(client: httpx2.AsyncClient, given: str) -> None:
    """What a client sends does not reach the log unread."""
    response = await client.get("/livez", headers={"X-Request-Id": given})
    assert response.headers["x-request-id"] != given


@pytest.mark.parametrize("path", ["/livez", "/nothing", "/api/v1/jobs", "/openapi.json"])
async def test_every_answer_carries_the_security_headers(client: httpx2.AsyncClient, path: str) -> None:
    """Successes and errors alike."""
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/api/v1/jobs/not-an-id", 404, "not-found"),
        ("GET", "/api/v1/jobs/00000000-0000-4000-8000-000000000000", 404, "not-found"),
        ("GET", "/api/v1/jobs/00000000-0000-7000-8000-000000000000", 410, "job-expired"),
        ("GET", "/api/v1/jobs/00000000-0000-7000-8000-000000000000/samples", 410, "job-expired"),
        ("GET", "/problems/nothing", 404, "not-found"),
        ("DELETE", "/api/v1/jobs", 405, "method-not-allowed"),
        ("POST", "/livez", 405, "method-not-allowed"),
        ("GET", "/api/v1/jobs?limit=many", 422, "invalid-input"),
        ("GET", "/api/v1/jobs?cursor=abc", 400, "invalid-cursor"),
    ],
)
async def test_every_error_is_a_problem(
    client: httpx2.AsyncClient, method: str, path: str, status: int, kind: str
) -> None:
    """RFC 9457: the media type, a type with a page of its own, the same status inside and out."""
    response = await client.request(method, path)
    problem = response.json()
    assert (response.status_code, problem["status"]) == (status, status)
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"/problems/{kind}"
    assert problem["title"] == KINDS[kind].title
    assert problem["instance"] == f"/requests/{response.headers['x-request-id']}"


@pytest.mark.parametrize(
    ("query", "detail"),
    [("colour=red", "there is no such parameter here"), ("parent_id=s3cret", "Input should be a UUID")],
)
async def test_a_wrong_parameter_is_not_quoted(client: httpx2.AsyncClient, query: str, detail: str) -> None:
    """It is named, and told in the same words wherever it stands."""
    (error,) = (await client.get(f"/api/v1/jobs?{query}")).json()["errors"]
    assert error == {"detail": detail, "parameter": query.partition("=")[0]}


@pytest.mark.parametrize("name", KINDS)
async def test_every_kind_of_problem_has_a_page(client: httpx2.AsyncClient, name: str) -> None:
    """The type's URI leads to what it means and what to do."""
    response = await client.get(f"/problems/{name}")
    assert response.status_code == 200
    assert KINDS[name].remedy in response.text


async def test_405_names_every_method_of_the_path(client: httpx2.AsyncClient) -> None:
    """Allow lists the methods of all routes of the path, not of the first one only."""
    assert (await client.put("/api/v1/jobs")).headers["allow"] == "GET, HEAD, POST"
    job = (await client.post("/api/v1/jobs", json=JOB)).headers["location"]
    assert (await client.delete(job)).headers["allow"] == "GET, HEAD"
    assert (await client.get(f"{job}:cancel")).headers["allow"] == "POST"


async def test_head_is_get_without_its_body(client: httpx2.AsyncClient) -> None:
    """The same status and headers."""
    job = (await client.post("/api/v1/jobs", json=JOB)).headers["location"]
    got, head = await client.get(job), await client.head(job)
    assert head.content == b""
    assert (head.status_code, head.headers["etag"]) == (200, got.headers["etag"])
    assert head.headers["content-length"] == str(len(got.content))


class TestUnexpected:
    """An error that nobody foresaw."""

    @pytest.fixture
    def broken(self, services: ApiServices, access_log: AccessLog, monkeypatch: pytest.MonkeyPatch) -> ASGIApp:
        async def fail(*_: object, **__: object) -> None:
            raise RuntimeError("the secret is hunter2")

        monkeypatch.setattr(services.access, "list_keys", fail)
        monkeypatch.setattr(services.reading, "answer", fail)
        return create_app(services, access_log=access_log)

    @pytest.mark.parametrize("path", ["/api/v1/keys", "/api/v1/jobs/00000000-0000-7000-8000-000000000000"])
    async def test_tells_nothing_but_the_request(
        self, broken: ASGIApp, path: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Neither from a route nor from the hot path does an error's text get out; the log has it, with the id."""
        transport = httpx2.ASGITransport(app=broken)
        async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL, headers=KEY) as client:
            response = await client.get(path)
        assert response.status_code == 500
        assert "hunter2" not in response.text
        assert response.json()["type"] == "/problems/internal-error"
        log = capsys.readouterr().out
        assert "hunter2" in log
        assert log.count("request_failed") == 1
        assert response.headers["x-request-id"] in log


class TestBodies:
    """Bodies that are refused before they are looked at."""

    async def test_a_large_declared_body_is_refused(self, client: httpx2.AsyncClient) -> None:
        """10 MB by Content-Length."""
        response = await client.post(
            "/api/v1/jobs", content=b" " * 10_000_000, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 413
        assert response.json()["type"] == "/problems/body-too-large"

    @pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/jobs:batch", "/api/v1/keys"])
    async def test_a_body_that_grows_too_large_is_refused(
        self, make_services: MakeServices, open_client: OpenClient, path: str
    ) -> None:
        """Without a declared length the bytes are counted."""

        async def parts() -> Any:
            for _ in range(20):
                yield b" " * 1000

        headers = KEY | {"Content-Type": "application/json"}
        async with open_client(make_services({"max_body_bytes": 10_000}), headers=headers) as client:
            response = await client.post(path, content=parts())
        assert response.status_code == 413

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Content-Type": "text/plain"},
            {"Content-Type": "application/x-www-form-urlencoded"},
            {"Content-Type": "multipart/form-data; boundary=x"},
            {"Content-Type": "application/json", "Content-Encoding": "gzip"},
            {"Content-Type": "application/jsonx"},
        ],
    )
    async def test_only_plain_json_is_taken(self, client: httpx2.AsyncClient, headers: dict[str, str]) -> None:
        """A type that a form can send would let foreign pages post."""
        response = await client.post("/api/v1/jobs", content=orjson.dumps(JOB), headers=headers)
        assert response.status_code == 415

    @pytest.mark.parametrize("media_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
    async def test_json_is_taken_however_it_is_spelt(self, client: httpx2.AsyncClient, media_type: str) -> None:
        """Parameters and case of the media type do not matter."""
        response = await client.post("/api/v1/jobs", content=orjson.dumps(JOB), headers={"Content-Type": media_type})
        assert response.status_code == 202


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The log's lines."""
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


class TestAccessLog:
    """One line a request."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "access.log"

    @pytest.fixture
    def log(self, path: Path) -> Iterator[AccessLog]:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
        yield AccessLog(descriptor)
        os.close(descriptor)

    async def test_a_line_says_who_asked_what_and_how_it_went(
        self, services: ApiServices, log: AccessLog, path: Path
    ) -> None:
        """JSON with the request's id; the query string is left out."""
        transport = httpx2.ASGITransport(app=create_app(services, access_log=log))
        async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL, headers=KEY) as client:
            response = await client.get("/api/v1/jobs?label=token:hunter2")
            await client.get("/livez")
        log.flush()
        (line,) = lines_of(path)
        assert line["request_id"] == response.headers["x-request-id"]
        assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v1/jobs", 200)
        assert line["bytes"] == len(response.content)
        assert line["principal"] == "admin-key"
        assert "hunter2" not in str(line)

    async def test_who_was_not_let_in_is_nobody(self, services: ApiServices, log: AccessLog, path: Path) -> None:
        """A refused request is not written down as somebody's."""
        transport = httpx2.ASGITransport(app=create_app(services, access_log=log))
        async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL) as client:
            await client.get("/api/v1/jobs")
        log.flush()
        assert [(line["status"], line["principal"]) for line in lines_of(path)] == [(401, None)]

    async def test_a_quiet_log_keeps_only_our_errors(self, path: Path) -> None:
        """Who asks for warnings is not told of every request that went well."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
        log = AccessLog(descriptor, is_quiet=True)
        for status in (200, 404, 503):
            exchange = Exchange(request_id=str(status), started=0.0, headers={}, route="/x", status=status)
            log.write(exchange, "GET", path="/x", seconds=0.001)
        log.flush()
        os.close(descriptor)
        assert [line["request_id"] for line in lines_of(path)] == ["503"]

    async def test_lines_are_written_soon_without_being_asked(self, log: AccessLog, path: Path) -> None:
        """They gather for a moment, then they are on disk."""
        exchange = Exchange(request_id="r", started=0.0, headers={}, route="/x", status=200)
        flushed = asyncio.Event()
        flush = log.flush
        log.flush = lambda: (flush(), flushed.set())  # type: ignore[method-assign]
        log.write(exchange, "GET", path="/x", seconds=0.001)
        async with asyncio.timeout(5):
            await flushed.wait()
        assert [line["request_id"] for line in lines_of(path)] == ["r"]


def test_nothing_is_logged_by_the_server_itself() -> None:
    """Uvicorn's own access log costs a third of the throughput."""
    config = make_config(object())
    assert config.access_log is False
    assert logging.getLogger("uvicorn.access").handlers == []
