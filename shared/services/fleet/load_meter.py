"""What a worker process did lately: looks at monitors, and its use of a processor."""

import time
from collections import deque
from typing import NamedTuple

WINDOW_SECONDS = 60.0
"""Over how long it is measured; less while the process is younger."""


class Load(NamedTuple):
    """Looks a second, and seconds of processor time a second: 1.0 is one core, the most an event loop can use."""

    checks_per_second: float
    cpu_share: float


class _Reading(NamedTuple):
    at: float
    looks: int
    cpu_seconds: float


class LoadMeter:
    """Counts looks, and says how fast they came; it is asked with each heartbeat."""

    def __init__(self) -> None:
        self._looks = 0
        self._readings: deque[_Reading] = deque([self._read()])

    def note_look(self) -> None:
        """A look at a monitor was taken."""
        self._looks += 1

    def measure(self) -> Load:
        """The load since the oldest reading within the window."""
        now = self._read()
        while len(self._readings) > 1 and now.at - self._readings[1].at >= WINDOW_SECONDS:
            self._readings.popleft()
        oldest = self._readings[0]
        self._readings.append(now)
        seconds = max(now.at - oldest.at, 0.001)
        return Load((now.looks - oldest.looks) / seconds, (now.cpu_seconds - oldest.cpu_seconds) / seconds)

    def _read(self) -> _Reading:
        return _Reading(time.monotonic(), self._looks, time.process_time())
