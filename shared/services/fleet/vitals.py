"""What a worker process knows of itself, and reports with its heartbeat."""

import os
import resource
import socket
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from shared.domain.fleet.workers import WorkerReport, WorkerState
from shared.domain.target.egress_canary import EgressState
from shared.services.fleet.load_meter import LoadMeter

VERSION = version("tocsin")

_STATM = Path("/proc/self/statm")
_PAGE_BYTES = resource.getpagesize()


class Vitals:
    """One worker process: its name, what it takes, what it does now, and how long its event loop stood still."""

    def __init__(self, worker_id: str, *, queues: Sequence[str] = (), slots: int = 0) -> None:
        self.worker_id = worker_id
        self.queues = queues
        self.slots = slots
        self.state = WorkerState.RUNNING
        self.egress = EgressState.UNWATCHED
        self.load = LoadMeter()
        self._max_lag_seconds = 0.0

    def note_lag(self, seconds: float) -> None:
        """The event loop stood still for so long; the longest is reported."""
        self._max_lag_seconds = max(self._max_lag_seconds, seconds)

    def take_lag(self) -> float:
        """The longest the loop stood still since this was last asked, in seconds."""
        taken, self._max_lag_seconds = self._max_lag_seconds, 0.0
        return taken

    def report(self, *, busy: int, lag_seconds: float, lease_seconds: float) -> WorkerReport:
        """What to write down of this process now; `busy` is how many jobs it has the lease of."""
        load = self.load.measure()
        return WorkerReport(
            worker_id=self.worker_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=VERSION,
            queues=self.queues,
            slots=self.slots,
            busy=busy,
            loop_lag_ms=lag_seconds * 1000,
            rss_bytes=resident_bytes(),
            lease_seconds=lease_seconds,
            state=self.state,
            egress=self.egress,
            checks_per_second=load.checks_per_second,
            cpu_share=load.cpu_share,
        )


def resident_bytes() -> float:
    """The memory this process has resident; where there is no `/proc`, the most it ever had (getrusage(2))."""
    try:
        return float(_STATM.read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
