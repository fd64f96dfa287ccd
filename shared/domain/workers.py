"""Worker processes as they report themselves."""

from enum import StrEnum


class WorkerState(StrEnum):
    """What a worker process is doing."""

    RUNNING = "running"
    QUIET = "quiet"
    """It was ordered to take nothing more; what runs goes on."""
    STOPPING = "stopping"
    """It was signalled to stop: it takes nothing more and hands back what does not end in time."""


class WorkerOrder(StrEnum):
    """What people order a worker to do; it hears it with the reply to its next heartbeat."""

    QUIET = "quiet"
