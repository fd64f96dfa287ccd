"""How many jobs of each kind one worker process runs at once."""

from shared.domain.job.jobs import JobKind
from shared.settings import Settings

REQUEUE_SLOTS = 2


def slots_of(settings: Settings) -> dict[JobKind, int]:
    """The slots of a worker process, by the queue."""
    return {
        JobKind.COLLECT: settings.collect_slots,
        JobKind.NOTIFY: settings.notify_slots,
        JobKind.REQUEUE: REQUEUE_SLOTS,
        JobKind.ROUND: settings.round_slots,
    }
