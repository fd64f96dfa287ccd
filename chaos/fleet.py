"""An API process and some workers as victims: started, struck, and started again."""

import asyncio
import signal
import socket
from contextlib import suppress
from pathlib import Path

import httpx2
from pydantic import SecretStr

import api.main
import worker.main
from chaos.ground import Ground
from chaos.processes import Victim
from shared.settings import Settings
from shared.vault import new_key

ADMIN_KEY = "tocsin_admin_" + "c" * 43
READY_SECONDS = 60.0


class Fleet:
    """One API and `workers` workers over one ground; their logs lie beside its data."""

    def __init__(self, ground: Ground, *, workers: int, lease_seconds: float) -> None:
        self.settings = Settings(
            database_url=ground.urls.database_url,
            redis_url=ground.urls.redis_url,
            port=_free_port(),
            admin_key=ADMIN_KEY,
            # So notices say which alert is meant.
            external_url="http://127.0.0.1",
            secret_keys=SecretStr(new_key()),
            egress_loopback=True,
            lease_seconds=lease_seconds,
            drain_seconds=1.0,
            # All targets are one host here.
            host_slots=100,
            log_level="info",
            log_format="json",
        )
        self._logs: Path = ground.directory
        self._stopped: set[asyncio.Task[None]] = set()
        self._started = 0
        self.api = self._start_api()
        self.workers = [self._start_worker() for _ in range(workers)]

    @property
    def url(self) -> str:
        """Where the API listens; the same after every start."""
        return f"http://127.0.0.1:{self.settings.port}"

    @property
    def victims(self) -> list[Victim]:
        """All processes."""
        return [self.api, *self.workers]

    def revive(self) -> int:
        """Start anew what has ended; how many there were."""
        dead = [place for place, victim in enumerate(self.workers) if not victim.is_alive]
        for place in dead:
            self.workers[place] = self._start_worker()
        if self.api.is_alive:
            return len(dead)
        self.api = self._start_api()
        return len(dead) + 1

    def stop_for(self, victim: Victim, seconds: float) -> None:
        """Let a process stand still for a while."""

        async def hold() -> None:
            victim.signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(seconds)
            finally:
                victim.signal(signal.SIGCONT)

        task = asyncio.create_task(hold())
        self._stopped.add(task)
        task.add_done_callback(self._stopped.discard)

    async def wake_all(self) -> None:
        """Wait until nobody stands still any more."""
        if self._stopped:
            await asyncio.wait(self._stopped)

    def end(self) -> None:
        """Kill all."""
        for victim in self.victims:
            victim.end()

    def _start_api(self) -> Victim:
        return self._start("api", api.main.serve)

    def _start_worker(self) -> Victim:
        return self._start("worker", worker.main.serve)

    def _start(self, name: str, target: object) -> Victim:
        self._started += 1
        return Victim(name, target, self.settings, log=self._logs / f"{name}-{self._started}.log")  # type: ignore[arg-type]


async def until_ready(http: httpx2.AsyncClient) -> None:
    """Wait until the API takes requests."""
    async with asyncio.timeout(READY_SECONDS):
        while True:
            with suppress(httpx2.TransportError):
                if (await http.get("/readyz")).is_success:
                    return
            await asyncio.sleep(0.1)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
