"""The `apprise` notifier: all the services that the library Apprise knows, told by a process of its own."""

import asyncio
import os
import pickle
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

import shared
from shared.domain.channel.notifications import AlertMessage, Message
from shared.domain.channel.service_channels import AppriseChannel
from shared.domain.job.jobs import Failure
from shared.domain.target.egress import EgressPolicy
from shared.notifiers.apprise_walls import plain_environment
from shared.notifiers.base import Delivery

TIMEOUT_SECONDS = 30.0
"""For all services of a channel together, which are told at once."""
_GRACE_SECONDS = 15.0
"""For the process to start and to write down how it went."""
AT_ONCE = 4
"""How many processes there are at once; each takes about 0.3 s of a core and 60 MB."""

_CHILD = "shared.notifiers.apprise_child"
_ROOT = Path(shared.__file__).parent.parent
_TYPES = {"critical": "failure", "warning": "warning", "info": "info"}
_SEVERITIES = ("critical", "warning", "info")
_TRY_AGAIN = frozenset({408, 425, 429})


class AppriseNotifier:
    """Starts a process for each delivery, a bounded number at once; it is held to the egress policy as it dials."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def deliver(self, channel: AppriseChannel, message: Message, *, notification_id: UUID) -> Delivery:  # noqa: ARG002 - Apprise has no place for an id.
        """Tell all services of the channel; delivered means that each of them took it."""
        asked = {
            "urls": [url.get_secret_value() for url in channel.urls],
            "title": message.title,
            "text": message.text or message.title,
            "type": _type_of(message),
            "policy": self._policy,
            "seconds": TIMEOUT_SECONDS,
        }
        async with self._slots:
            started = time.perf_counter()
            told = await _ask(pickle.dumps(asked))
            duration_ms = round((time.perf_counter() - started) * 1000, 3)
        if told is None:
            failure = Failure("timeout", f"Apprise did not end within {TIMEOUT_SECONDS + _GRACE_SECONDS:g} s")
            return Delivery({"duration_ms": duration_ms}, failure)
        shown = [{key: value for key, value in each.items() if value is not None and key != "denied"} for each in told]
        return Delivery({"duration_ms": duration_ms, "services": shown}, classify_told(told))

    async def close(self) -> None:
        """Nothing is kept open between two messages."""


def classify_told(told: Sequence[Mapping[str, Any]]) -> Failure | None:
    """None when all services were told; what can be tried again goes before what cannot."""
    failures = [failure for each in told if (failure := _failure_of(each)) is not None]
    failures.sort(key=lambda failure: failure.is_permanent)
    return failures[0] if failures else None


def _failure_of(told: Mapping[str, Any]) -> Failure | None:
    service, status = told["service"] or "a service", told.get("status")
    match told["outcome"]:
        case "delivered":
            return None
        case "unknown":
            said = "an address is none that Apprise knows, or lacks a part; see its documentation of the service"
            return Failure("invalid_channel", said, is_permanent=True)
        case "timeout":
            return Failure("timeout", f"{service} did not end in {TIMEOUT_SECONDS:g} s")
    if told.get("denied"):
        return Failure("blocked_by_policy", str(told["denied"]), is_permanent=True)
    if status is None:
        return Failure("not_delivered", f"{service} was not reached, or did not take it")
    is_permanent = 400 <= status < 500 and status not in _TRY_AGAIN  # noqa: PLR2004 - the class of status codes.
    return Failure("rejected" if is_permanent else "unavailable", f"{service} answered {status}", is_permanent)


def _type_of(message: Message) -> str:
    """Apprise's type of a notification, by which services choose colours."""
    if not isinstance(message, AlertMessage):
        return "info"
    if message.content.status != "firing":
        return "success"
    severities = {alert.severity for alert in message.content.alerts if alert.status == "firing"}
    return next((_TYPES[severity] for severity in _SEVERITIES if severity in severities), "warning")


async def _ask(asked: bytes) -> list[dict[str, Any]] | None:
    """Run the process; None when it did not end in time or broke off. It never outlives the call."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", _CHILD),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd="/",
        env=plain_environment(os.environ) | {"PYTHONPATH": str(_ROOT)},
    )
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS + _GRACE_SECONDS):
            output, _ = await process.communicate(asked)
        told: list[dict[str, Any]] = orjson.loads(output)
    except (TimeoutError, orjson.JSONDecodeError):
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return told
