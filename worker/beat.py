"""A worker's sign of life: a file whose age a container's health check looks at."""

import asyncio
from pathlib import Path

import structlog

_log = structlog.get_logger()

BEAT_SECONDS = 5.0
"""How often the file is touched; a worker whose file is six times as old hangs."""


async def beat(path: Path) -> None:
    """Touch the file until cancelled; it ages when the event loop stands still or the process is gone."""
    while True:
        try:
            path.touch()  # noqa: ASYNC240 - a touch below /tmp does not wait
        except OSError as error:
            _log.warning("beat_file_not_touched", path=str(path), error=repr(error))
        await asyncio.sleep(BEAT_SECONDS)
