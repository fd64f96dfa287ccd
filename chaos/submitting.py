"""A client that keeps asking: jobs through the API under idempotency keys, repeated until they are accepted."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx2

from chaos.fleet import ADMIN_KEY
from chaos.witness import SECRET, Witness

BATCH = 50
CONNECTIONS = 8
REQUEST_SECONDS = 10.0
RETRY_SECONDS = 0.2


class Submitter:
    """Submits the jobs 0 to `jobs`, at most `rate` a second.

    `accepted` says which id each of them has got, `repeats` how often an answer failed to come and it was asked anew.
    """

    def __init__(self, witness: Witness, *, jobs: int, rate: float, url: str) -> None:
        self.accepted: dict[int, UUID] = {}
        self.repeats = 0
        self._witness = witness
        self.jobs = jobs
        self._url = url
        self._rate = rate
        self._began_at = 0.0

    async def submit_all(self) -> None:
        """Submit every job, some in batches and some one by one; returns once each is accepted."""
        self._began_at = asyncio.get_running_loop().time()
        pending = deque(range(start, min(start + BATCH, self.jobs)) for start in range(0, self.jobs, BATCH))
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with (
            httpx2.AsyncClient(base_url=self._url, headers=headers, timeout=REQUEST_SECONDS) as client,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(CONNECTIONS):
                group.create_task(self._submit_pending(client, pending))

    def visits(self) -> dict[UUID, int]:
        """How often the world was met for each accepted job."""
        return {job_id: self._visits_of(number, job_id) for number, job_id in self.accepted.items()}

    def _visits_of(self, number: int, job_id: UUID) -> int:
        return self._witness.told[str(job_id)] if _is_told(number) else self._witness.visits[_path_of(number)]

    async def _submit_pending(self, client: httpx2.AsyncClient, pending: deque[range]) -> None:
        while pending:
            numbers = pending.popleft()
            await asyncio.sleep(self._began_at + numbers.start / self._rate - asyncio.get_running_loop().time())
            if numbers.start // BATCH % 5:
                await self._submit_batch(client, numbers)
            else:
                for number in numbers:
                    await self._submit_one(client, number)

    async def _submit_batch(self, client: httpx2.AsyncClient, numbers: Sequence[int]) -> None:
        body = {"jobs": [self._body(number) for number in numbers]}
        while True:
            answer = await self._ask(client, "/api/v1/jobs:batch", body, key=f"batch-{numbers[0]}")
            results = answer.get("results", [])
            if len(results) == len(numbers) and all("id" in result for result in results):
                self.accepted |= {number: UUID(result["id"]) for number, result in zip(numbers, results, strict=True)}
                return
            await self._pause()

    async def _submit_one(self, client: httpx2.AsyncClient, number: int) -> None:
        while True:
            answer = await self._ask(client, "/api/v1/jobs", self._body(number), key=f"job-{number}")
            if "id" in answer:
                self.accepted[number] = UUID(answer["id"])
                return
            await self._pause()

    async def _ask(self, client: httpx2.AsyncClient, path: str, body: object, *, key: str) -> dict[str, Any]:
        """The answer, or nothing when the API is away or overloaded; what it refuses for good is raised."""
        try:
            answer = await client.post(path, json=body, headers={"Idempotency-Key": key})
        except httpx2.TransportError:
            return {}
        if answer.status_code >= 500 or answer.status_code in (409, 429):
            return {}
        answer.raise_for_status()
        told: dict[str, Any] = answer.json()
        return told

    async def _pause(self) -> None:
        self.repeats += 1
        await asyncio.sleep(RETRY_SECONDS)

    def _body(self, number: int) -> dict[str, object]:
        if _is_told(number):
            channel = {"kind": "webhook", "url": self._witness.url("/told"), "secret": SECRET}
            message = {"title": f"number {number}", "text": "chaos"}
            return {"kind": "notify", "max_attempts": 25, "channel": channel, "message": message}
        target = {"kind": "http", "url": self._witness.url(_path_of(number)), "timeout": "30s"}
        return {"kind": "collect", "max_attempts": 25, "targets": [target]}


def _is_told(number: int) -> bool:
    return number % 2 == 1


def _path_of(number: int) -> str:
    return f"/target/{number}"
