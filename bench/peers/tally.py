"""What a worker under measurement tells: when its jobs began and ended, and how long they had lain before."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

TELL_SECONDS = 0.2
"""A tally is told once it has stood still for so long."""


class Tally:
    """One process's jobs. Appending to a list is safe in threads, and the teller starts in the child after a fork."""

    def __init__(self, told: str | None) -> None:
        self._told = Path(told) if told else None
        self._spans: list[tuple[float, float]] = []
        self._lags: list[float] = []
        self._teller_pid = 0

    def note(self, *, submitted: float = 0.0, began: float = 0.0) -> None:
        """Count a job that ends now. `submitted` and `began` are times of `time.time()`, where they are known."""
        now = time.time()
        self._spans.append((began or now, now))
        if submitted:
            self._lags.append((began or now) - submitted)
        if self._teller_pid != os.getpid():
            self._teller_pid = os.getpid()
            threading.Thread(target=self._keep_telling, daemon=True).start()

    def tell(self, line: dict[str, Any]) -> None:
        """Write one line, whole."""
        if self._told is not None:
            with self._told.open("ab", buffering=0) as file:
                file.write(json.dumps(line).encode() + b"\n")

    def _keep_telling(self) -> None:
        while True:
            seen = len(self._spans)
            time.sleep(TELL_SECONDS)
            if seen and len(self._spans) == seen:
                self._tell_all()

    def _tell_all(self) -> None:
        spans, self._spans = self._spans, []
        lags, self._lags = self._lags, []
        first, last = min(began for began, _ in spans), max(ended for _, ended in spans)
        self.tell({"count": len(spans), "first": first, "last": last, "lags": lags})


tally = Tally(os.environ.get("BENCH_TOLD"))
