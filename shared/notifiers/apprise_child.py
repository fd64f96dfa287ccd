"""The program that tells by Apprise: it reads what and whom from its input, and writes how it went to its output.

It has a process of its own because the library dials by itself: so it can be held to the egress policy, sees neither
our settings nor our files, and is gone when its time is over, whatever a receiver does to it.
"""

import json
import logging
import os
import pickle
import re
import resource
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO

import apprise
from apprise.manager_plugins import NotificationManager

from shared.notifiers.apprise_walls import Walls

MAX_BYTES = 384 * 1024 * 1024
"""Of address space, of which 20 services take 240 MB; a receiver's endless answer, read into memory, ends here."""
_STATUS = re.compile(r"error=([1-5][0-9]{2})\b")

Told = dict[str, Any]


class _Statuses(logging.Handler):
    """Keeps of what the library logs the HTTP statuses alone: all else may hold parts of an address."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: dict[int, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Note the last status that the thread met."""
        found = _STATUS.search(record.getMessage())
        if found is not None and record.thread is not None:
            self.seen[record.thread] = int(found.group(1))


def main(asked: bytes, output: TextIO) -> None:
    """Tell everybody at once; who has not been told when the time is over is written down as such."""
    statuses = _Statuses()
    logger = logging.getLogger("apprise")
    logger.addHandler(statuses)
    logger.propagate = False
    # Before the walls stand: services are modules, of which some look at the machine.
    NotificationManager().load_modules()  # type: ignore[no-untyped-call]  # the library types its front only
    request = pickle.loads(asked)  # noqa: S301 - our own process wrote it.
    with suppress(ValueError, OSError):
        # Not every system has this bound.
        resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    walls = Walls(request["policy"])
    walls.raise_up()
    told: list[Told] = [{"service": "", "outcome": "timeout"} for _ in request["urls"]]
    threads = [
        threading.Thread(target=_tell, args=(place, request, told, (walls, statuses)), daemon=True)
        for place in range(len(told))
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + request["seconds"]
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
    output.write(json.dumps(told))
    output.flush()


def _tell(place: int, request: Mapping[str, Any], told: list[Told], watched: tuple[Walls, _Statuses]) -> None:
    """Tell one; what is told of it is replaced as a whole, since it may be written out at any moment."""
    walls, statuses = watched
    name, outcome = "", "failed"
    with suppress(Exception):
        service = apprise.Apprise.instantiate(request["urls"][place], asset=_ASSET)
        if service is None or not service.enabled:
            outcome = "unknown"
        else:
            name = str(service.service_name)
            told[place] = {"service": name, "outcome": "timeout"}
            is_told = service.notify(
                body=request["text"], title=request["title"], notify_type=request["type"], body_format="text"
            )
            outcome = "delivered" if is_told else "failed"
    me = threading.get_ident()
    why = {} if outcome == "delivered" else {"status": statuses.seen.get(me), "denied": walls.denied.get(me)}
    told[place] = {"service": name, "outcome": outcome, **why}


_ASSET = apprise.AppriseAsset(
    app_id="Tocsin",
    app_desc="Tocsin",
    storage_mode=apprise.PersistentStoreMode.MEMORY,
    http_redirects=False,
    pgp_autogen=False,
    pem_autogen=False,
    allow_templates=False,
)

if __name__ == "__main__":
    answers = sys.stdout
    # What a service prints is nobody's.
    sys.stdout = sys.stderr
    main(sys.stdin.buffer.read(), answers)
    # Threads that still talk to somebody are not waited for.
    os._exit(0)
