"""How much of a collection's timeout is left."""

import time


class Deadline:
    """Runs from when it is made, on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._started = time.perf_counter()
        self._seconds = seconds

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the start."""
        return (time.perf_counter() - self._started) * 1000

    @property
    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._seconds - (time.perf_counter() - self._started))

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self.remaining <= 0
