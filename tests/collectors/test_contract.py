"""What every collector keeps to, run over all of the registry."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from cli.embedded import ServerUrls
from shared.clock import utc_now
from shared.collectors.base import Collectors
from shared.collectors.file import FileCollector
from shared.collectors.registry import build_collectors
from shared.domain.target.egress import EgressPolicy
from shared.domain.target.file_marks import MarksInMemory
from shared.domain.target.kinds import IMPLIED_CONDITIONS, METRICS, PLACEHOLDERS, PRESENCE
from shared.domain.target.observation import Blame, Observation
from shared.domain.target.targets import TARGET_KINDS, Target
from shared.transport.curl import CurlClient
from shared.transport.dialling import Dialler
from shared.transport.resolver import Resolver

TARGETS: TypeAdapter[Target] = TypeAdapter(Target)
KINDS = sorted(TARGET_KINDS)


@dataclass(frozen=True)
class Scenes:
    """For each kind a target that is there, one that is gone, one that hangs, and one that is forbidden."""

    there: dict[str, dict[str, Any]]
    gone: dict[str, dict[str, Any]]
    hanging: dict[str, dict[str, Any]]
    forbidden: dict[str, dict[str, Any]]


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\nConnection: close\r\n\r\n{"status":"UP"}')
    await writer.drain()
    writer.close()


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    await reader.read()
    writer.close()


@pytest.fixture
async def scenes(servers: ServerUrls, tmp_path: Path) -> AsyncIterator[Scenes]:
    (tmp_path / "app.log").write_text("a line\n")
    async with AsyncExitStack() as stack:
        good = await stack.enter_async_context(await asyncio.start_server(answer, "127.0.0.1", 0))
        silent = await stack.enter_async_context(await asyncio.start_server(hang, "127.0.0.1", 0))
        closed = await asyncio.start_server(answer, "127.0.0.1", 0)
        ports = [server.sockets[0].getsockname()[1] for server in (good, silent, closed)]
        closed.close()
        yield Scenes(
            there={
                "http": {"url": f"http://u:hunter2@127.0.0.1:{ports[0]}/?token=hunter2"},
                "database": {"dsn": servers.database_url, "query": "select 1 as one"},
                "file": {"path": str(tmp_path / "app.log"), "checksum": True, "pattern": "line"},
            },
            gone={
                "http": {"url": f"http://u:hunter2@127.0.0.1:{ports[2]}/?token=hunter2"},
                "database": {"dsn": f"postgresql://u:hunter2@127.0.0.1:{ports[2]}/d"},
                "file": {"path": str(tmp_path / "missing")},
            },
            hanging={
                "http": {"url": f"http://u:hunter2@127.0.0.1:{ports[1]}/?token=hunter2"},
                "database": {"dsn": f"postgresql://u:hunter2@127.0.0.1:{ports[1]}/d"},
                # A file hangs with its mount, which its own test brings about.
                "file": {"path": str(tmp_path / "missing")},
            },
            forbidden={
                "http": {"url": "http://u:hunter2@169.254.169.254/?token=hunter2"},
                "database": {"dsn": "postgresql://u:hunter2@169.254.169.254/d"},
                "file": {"path": "/etc/passwd"},
            },
        )


@pytest.fixture
async def collectors(tmp_path: Path) -> AsyncIterator[Collectors]:
    resolver = Resolver()
    dialler = Dialler(resolver, EgressPolicy.parse("any", allow_loopback=True))
    files = FileCollector([str(tmp_path)], MarksInMemory(), clock=utc_now)
    collectors = build_collectors(dialler, CurlClient(dialler), files=files, allows_local_sockets=True)
    yield collectors
    for collector in collectors.values():
        await collector.close()
    await resolver.close()


async def collect(collectors: Collectors, kind: str, *, scene: dict[str, Any], within: str = "5s") -> Observation:
    target = TARGETS.validate_python({"kind": kind, "timeout": within, **scene})
    observation = await collectors[kind].collect(target)
    assert set(observation.metrics) <= set(METRICS[kind]) - {"tries"}
    assert {name for name in observation.values if name.isupper()} <= set(PLACEHOLDERS[kind])
    assert all(math.isfinite(number) for number in observation.metrics.values())
    assert observation.duration_ms >= 0
    assert "hunter2" not in (observation.fault.message if observation.fault else "")
    return observation


def test_every_kind_has_a_collector_metrics_and_placeholders(collectors: Collectors) -> None:
    """A new kind of target is complete, or this fails."""
    assert sorted(collectors) == sorted(PLACEHOLDERS) == sorted(PRESENCE) == KINDS
    # Nobody collects heartbeats: they tell us themselves that they live.
    assert sorted(METRICS) == sorted([*KINDS, "heartbeat"])
    assert set(IMPLIED_CONDITIONS) <= set(KINDS)
    assert all("tries" in METRICS[kind] and PRESENCE[kind] in PLACEHOLDERS[kind] for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_there_is_read_without_fault(collectors: Collectors, scenes: Scenes, kind: str) -> None:
    """Its presence is true, and there are metrics to keep."""
    seen = await collect(collectors, kind, scene=scenes.there[kind])
    assert (seen.fault, seen.values[PRESENCE[kind]]) == (None, True)
    assert seen.metrics
    assert seen.duration_ms > 0


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_gone_is_the_targets_fault(collectors: Collectors, scenes: Scenes, kind: str) -> None:
    """Its presence is false, which a condition may ask for."""
    seen = await collect(collectors, kind, scene=scenes.gone[kind])
    assert seen.fault is not None
    assert (seen.fault.blame, seen.values[PRESENCE[kind]]) == (Blame.TARGET, False)


@pytest.mark.parametrize("kind", KINDS)
async def test_nothing_takes_longer_than_its_timeout(collectors: Collectors, scenes: Scenes, kind: str) -> None:
    """A target that never answers is told as its own fault, in time."""
    seen = await collect(collectors, kind, scene=scenes.hanging[kind], within="200ms")
    assert seen.fault is not None
    assert seen.fault.blame is Blame.TARGET
    assert seen.duration_ms < 1500


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_forbidden_is_our_doing(collectors: Collectors, scenes: Scenes, kind: str) -> None:
    """One code for all kinds, and the setting that would change it."""
    seen = await collect(collectors, kind, scene=scenes.forbidden[kind])
    assert seen.fault is not None
    assert (seen.fault.code, seen.fault.blame) == ("blocked_by_policy", Blame.OURS)
    assert "TOCSIN_" in seen.fault.message


@pytest.mark.parametrize("kind", KINDS)
async def test_a_collector_may_be_closed_twice(collectors: Collectors, scenes: Scenes, kind: str) -> None:
    """Whoever stops a process need not know who else did, and a look that comes late is not held against its target."""
    await collectors[kind].close()
    await collectors[kind].close()
    seen = await collect(collectors, kind, scene=scenes.there[kind])
    assert seen.fault is None or seen.fault.blame is Blame.OURS


@pytest.mark.parametrize("kind", KINDS)
async def test_collections_run_side_by_side(collectors: Collectors, scenes: Scenes, kind: str) -> None:
    """One collector serves the whole process."""
    looks = [collect(collectors, kind, scene=scenes.there[kind]) for _ in range(8)]
    assert [seen.fault for seen in await asyncio.gather(*looks)] == [None] * 8
