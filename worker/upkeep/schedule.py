"""Which duties a worker keeps, and how often."""

from shared.wiring.worker import WorkerServices
from worker.upkeep.duties import Duty


def duties_of(services: WorkerServices) -> list[Duty]:
    """All upkeep; every worker does it, because each duty is safe anywhere and twice."""
    recovery = services.recovery
    return [
        Duty("promote", 0.5, recovery.promote),
        Duty("relay", 1.0, recovery.relay),
        Duty("rescue", 5.0, recovery.rescue),
        Duty("reconcile", 15.0, recovery.reconcile),
        Duty("forget_keys", 600.0, recovery.forget_keys),
        Duty("partitions", 600.0, services.keep_partitions),
        Duty("roll_up", 30.0, services.roll_up),
    ]
