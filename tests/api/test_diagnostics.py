"""What admins learn of the process itself."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx2
import pytest
from api_client import MakeKey

from api.profiling import ProfileFormat, Profiling
from shared.domain.access import Scope

PROFILE = "/api/v1/admin/profile"
TASKS = "/api/v1/admin/tasks"
NAMESPACE = "http://www.w3.org/2000/svg"
IMPORTS = """
import sys
import api.main, worker.main, cli.main
from shared.settings import Settings
from shared.wiring.telemetry import telemetry
with telemetry(Settings(), service="test"):
    print([name for name in sys.modules if name.startswith(
        ("opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf", "requests", "sentry_sdk", "pyinstrument"))])
"""


def grind() -> str:
    return "".join(str(number) for number in range(2000))


async def work_hard() -> None:
    while True:
        grind()
        await asyncio.sleep(0)


@pytest.fixture
async def busy() -> AsyncIterator[None]:
    """The event loop has something to do."""
    task = asyncio.create_task(work_hard(), name="hard-worker")
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.usefixtures("busy")
async def test_a_profile_tells_where_the_time_went_and_one_is_taken_at_a_time(client: httpx2.AsyncClient) -> None:
    """Of two that ask together one gets it, with what other tasks did; the other is told to come again."""
    answers = await asyncio.gather(*(client.post(PROFILE, json={"seconds": 1}) for _ in range(2)))
    taken, refused = sorted(answers, key=lambda answer: answer.status_code)
    assert (taken.status_code, refused.status_code) == (200, 409)
    assert taken.headers["content-type"] == "text/plain; charset=utf-8"
    assert "grind" in taken.text
    assert refused.json()["type"] == "/problems/profile-running"


@pytest.mark.usefixtures("busy")
async def test_a_profile_is_a_page_or_a_file_for_a_viewer_too() -> None:
    """The page loads nothing from anywhere; the file is JSON."""
    profiling = Profiling()
    page = await profiling.take(0.1, ProfileFormat.HTML)
    file = json.loads(await profiling.take(0.1, ProfileFormat.SPEEDSCOPE))
    assert "grind" in page
    assert set(re.findall(r"https?://[^\"'\s<)]+", page)) <= {NAMESPACE}
    assert "grind" in {frame["name"] for frame in file["shared"]["frames"]}


@pytest.mark.parametrize("body", [{}, {"seconds": 0}, {"seconds": 31}, {"seconds": 1, "format": "svg"}])
async def test_a_profile_has_bounds(client: httpx2.AsyncClient, body: dict[str, object]) -> None:
    """From 1 to 30 seconds, in a format there is."""
    assert (await client.post(PROFILE, json=body)).status_code == 422


async def test_only_admins_look_inside(client: httpx2.AsyncClient, make_key: MakeKey) -> None:
    """A profile slows the process down, and both tell of its code."""
    client.headers["Authorization"] = f"Bearer {await make_key(Scope.SUBMIT)}"
    assert (await client.post(PROFILE, json={"seconds": 1})).status_code == 403
    assert (await client.get(TASKS)).status_code == 403


async def doze(awaking: asyncio.Event) -> None:
    await awaking.wait()


async def test_the_tasks_are_listed_with_the_lines_they_wait_at(client: httpx2.AsyncClient) -> None:
    """Down to the innermost one, whatever lies between."""
    awaking = asyncio.Event()
    task = asyncio.create_task(doze(awaking), name="sleeper")
    await asyncio.sleep(0)
    listed = (await client.get(TASKS)).json()
    awaking.set()
    await task
    (sleeper,) = [each for each in listed["items"] if each["name"] == "sleeper"]
    assert sleeper["coroutine"] == "doze"
    outer, inner = sleeper["stack"]
    assert re.fullmatch(r"api/test_diagnostics\.py:\d+ doze", outer)
    assert re.fullmatch(r"asyncio/locks\.py:\d+ Event\.wait", inner)
    assert listed["total"] >= len(listed["items"]) > 0


def test_what_is_not_configured_is_not_imported() -> None:
    """Neither OpenTelemetry's SDK nor Sentry's nor the profiler costs memory or time of a process that has no use."""
    run = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "[]"
