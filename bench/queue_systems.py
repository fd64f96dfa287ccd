"""The queues in the contest, each by what starts its worker and what puts jobs into it."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.processes import ROOT

OUR_PYTHON = Path(sys.executable)
PEER_BIN = ROOT / ".venv-peers" / "bin"
PEER_PYTHON = PEER_BIN / "python"

DOORBELL = "Tocsin's doorbell alone, no database"
WHOLE_LIFE = "Tocsin, the whole life in PostgreSQL"


@dataclass(frozen=True)
class System:
    """A queue under measurement; `queue` is the module whose `open_queue` enqueues, run by `python`.

    `recoveries` are the settings of its documented recovery that it is killed under: what they are called, and their
    variables.
    """

    name: str
    worker: tuple[str, ...]
    queue: str
    python: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    has_rows: bool = False
    recoveries: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The name in the names of files."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.name.lower())

    def recovering(self, name: str) -> "System":
        """The same with one of its recoveries set."""
        return replace(self, environment={**self.environment, **self.recoveries[name]})


def systems() -> list[System]:
    """Stock ARQ and Tocsin from our own environment, the others from theirs."""
    return [stock_arq(), saq(), taskiq(), celery_prefork(), celery_threads(), doorbell(), whole_life()]


def stock_arq() -> System:
    """ARQ tuned as far as its settings go; the lock of a lost job stays ten seconds longer than `job_timeout`."""
    return System(
        "stock ARQ tuned",
        (str(OUR_PYTHON), "-m", "arq", "bench.peers.stock_arq.Tuned"),
        "bench.peers.stock_arq",
        OUR_PYTHON,
        {"BENCH_UVLOOP": "1"},
        recoveries={"job_timeout 5 s": {"BENCH_ARQ_JOB_TIMEOUT": "5"}},
    )


def saq() -> System:
    """SAQ on uvloop, a hundred jobs at once."""
    worker = ("saq", "--quiet", "bench.peers.saq_queue.settings")
    return _peer("SAQ", worker, "saq_queue", recoveries={"timeout 5 s, sweep each second": {}})


def taskiq() -> System:
    """Taskiq on Redis streams, one process of it, a hundred jobs at once as it comes."""
    worker = ("taskiq", "worker", "--workers", "1", "--log-level", "WARNING", "bench.peers.taskiq_queue:broker")
    return _peer("taskiq", worker, "taskiq_queue", recoveries={"idle_timeout 5 s": {"BENCH_TASKIQ_IDLE_MS": "5000"}})


def celery_prefork() -> System:
    """Celery with one child; it is not killed, because it would hold but one job."""
    return _celery("prefork", "1", recoveries={})


def celery_threads() -> System:
    """Celery with eight threads."""
    late = {"acks_late, visibility_timeout 5 s": {"BENCH_CELERY_VISIBILITY": "5"}}
    return _celery("threads", "8", recoveries=late)


def doorbell() -> System:
    """Rings taken and answered, nothing else."""
    return System(DOORBELL, (str(OUR_PYTHON), "-m", "bench.doorbell_queue"), "bench.doorbell_queue", OUR_PYTHON)


def whole_life() -> System:
    """Our worker with the work taken out, with as many slots as the tuned peers; leases as shipped are 30 s."""
    return System(
        WHOLE_LIFE,
        (str(OUR_PYTHON), "-m", "bench.no_op_worker"),
        "bench.tocsin_queue",
        OUR_PYTHON,
        {"TOCSIN_NOTIFY_SLOTS": "100"},
        has_rows=True,
        recoveries={"lease 30 s, as shipped": {}, "lease 5 s": {"TOCSIN_LEASE_SECONDS": "5"}},
    )


def _peer(name: str, worker: Sequence[str], module: str, *, recoveries: Mapping[str, Mapping[str, str]]) -> System:
    program = (str(PEER_BIN / worker[0]), *worker[1:])
    return System(name, program, f"bench.peers.{module}", PEER_PYTHON, recoveries=recoveries)


def _celery(pool: str, concurrency: str, *, recoveries: Mapping[str, Mapping[str, str]]) -> System:
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")
    how = ("--pool", pool, "--concurrency", concurrency)
    worker = ("celery", "-A", "bench.peers.celery_queue", "worker", *quiet, *how)
    return _peer(f"Celery, {pool} {concurrency}", worker, "celery_queue", recoveries=recoveries)
