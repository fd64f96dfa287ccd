"""The outside world of the alerts: targets that flap, and receivers that keep a record of all they are told on disk."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from chaos.alert_ledger import Heard
from chaos.conversation import Conversation, Request
from chaos.flapping import Mood, Spells, spells_of_receiver, spells_of_target
from chaos.witness import SECRET

ANSWER_SECONDS = 0.2
"""The most a receiver in a fine mood takes, so that whoever dies dies in the middle of something."""
HANGING_SECONDS = 600.0
"""Longer than anybody waits for an answer."""
_UP = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_DOWN = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
_TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"
_FORGED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
_ANSWERS = {
    Mood.BROKEN: b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    Mood.BUSY: b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    Mood.REFUSING: None,
}


class AlertWorld:
    """One server for all of it: `/target/{number}` flaps, `/tell/{channel}` is told. Calm, all is well for ever."""

    def __init__(self, record: Path, *, seed: int) -> None:
        self.forged = 0
        self._record = record
        self._seed = seed
        self._port = 0
        self._began_at = 0.0
        self._is_calm = False
        self._targets: dict[str, Spells[bool]] = {}
        self._receivers: dict[str, Spells[Mood]] = {}
        self._webhook = Webhook(SECRET)

    def url(self, path: str) -> str:
        """The address of a path here."""
        return f"http://127.0.0.1:{self._port}{path}"

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["AlertWorld"]:
        """Listen on a free port of loopback while the block runs."""
        server = await asyncio.get_running_loop().create_server(lambda: Conversation(self._answer), "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        self._began_at = asyncio.get_running_loop().time()
        self._record.touch()
        try:
            yield self
        finally:
            server.close()

    def calm(self) -> None:
        """Let every target be up and every receiver take what it is told, from now on."""
        self._is_calm = True

    def heard(self) -> list[Heard]:
        """All that the receivers were told, in the order of their answers, read from the record."""
        lines = self._record.read_text().splitlines()
        return [_heard(number, json.loads(line)) for number, line in enumerate(lines)]

    async def _answer(self, request: Request) -> bytes | None:
        _, what, name = request.path.split("/")
        return self._show(name) if what == "target" else await self._take(name, request)

    def _show(self, number: str) -> bytes:
        if number not in self._targets:
            self._targets[number] = spells_of_target(self._seed, int(number))
        return _UP if self._is_calm or self._targets[number].at(self._seconds()) else _DOWN

    async def _take(self, channel: str, request: Request) -> bytes | None:
        try:
            self._webhook.verify(request.body, request.headers)
        except WebhookVerificationError:
            self.forged += 1
            return _FORGED
        mood, is_taken = self._mood(channel), False
        try:
            await asyncio.sleep(HANGING_SECONDS if mood is Mood.HANGING else random.uniform(0, ANSWER_SECONDS))
            is_taken = mood is Mood.FINE
        finally:
            # One whose sender died while it waited was told too, and took nothing.
            self._write_down(channel, request, mood, is_taken=is_taken)
        return _TAKEN if is_taken else _ANSWERS.get(mood)

    def _mood(self, channel: str) -> Mood:
        if channel not in self._receivers:
            self._receivers[channel] = spells_of_receiver(self._seed, channel)
        return Mood.FINE if self._is_calm else self._receivers[channel].at(self._seconds())

    def _seconds(self) -> float:
        return asyncio.get_running_loop().time() - self._began_at

    def _write_down(self, channel: str, request: Request, mood: Mood, *, is_taken: bool) -> None:
        body = json.loads(request.body)
        line = {
            "channel": channel,
            "headers": request.headers,
            "digest": sha256(request.body).hexdigest(),
            "mood": mood.value,
            "is_taken": is_taken,
            "alerts": [(alert["generatorURL"], alert["status"]) for alert in body["alerts"]],
        }
        with self._record.open("a") as record:
            record.write(json.dumps(line) + "\n")


def _heard(number: int, line: dict[str, object]) -> Heard:
    headers, alerts = line["headers"], line["alerts"]
    assert isinstance(headers, dict)
    assert isinstance(alerts, list)
    return Heard(
        number=number,
        channel=str(line["channel"]),
        notice_id=UUID(headers["webhook-id"]),
        digest=str(line["digest"]),
        is_taken=bool(line["is_taken"]),
        # The address at which an alert explains itself ends with its id and one word more.
        alerts=tuple((UUID(url.split("/")[-2]), status) for url, status in alerts),
    )
