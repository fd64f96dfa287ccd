"""Workers that kill themselves between two steps of telling an alert, from the judgement to the record."""

import asyncio
import os
import signal
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import uvloop

from shared.domain.job.jobs import JobKind
from shared.domain.job.steps import Step, StepHook, no_hook
from shared.log import configure_logging
from shared.notifiers.webhook import WebhookNotifier
from shared.services.alert.alerting import Alerting
from shared.services.notice.composition import Composition
from shared.settings import Settings
from shared.storage.judging.alert_judge import AlertJudge
from shared.wiring import ProcessContext
from shared.wiring.worker import WorkerServices, build_execution
from worker.main import new_worker_id, run_until, serve


class Moment(StrEnum):
    """What has just happened to an alert, or to the notice that tells it."""

    JUDGED = "judged"
    """The alert is written with all that follows, and not committed."""
    COMMITTED = "committed"
    """They are, and nobody was rung."""
    TAKEN = "taken"
    CLAIMED = "claimed"
    COMPOSED = "composed"
    """Its words are written, and not committed."""
    FROZEN = "frozen"
    """They are committed, and nothing was sent."""
    SENT = "sent"
    """The receiver has taken it, and the channel's health knows nothing of it."""
    WORKED = "worked"
    RECORDED = "recorded"
    """The job has ended, and the notice has not."""


OF_ROUNDS = (Moment.JUDGED, Moment.COMMITTED)
"""Where whoever looks at monitors dies; at the others it is who tells."""
AT_STEPS = (Moment.TAKEN, Moment.CLAIMED, Moment.WORKED, Moment.RECORDED)
"""Those that every job comes by."""
REPEATED = (Moment.SENT, Moment.WORKED)
"""After these the receiver is told again."""


def work_and_die_at(settings: Settings, moment: Moment) -> None:
    """Look at monitors, or tell notices, with all upkeep, until the moment comes."""
    configure_logging(settings.log_level, settings.log_format)
    match moment:
        case Moment.JUDGED:
            _die_after(AlertJudge, "write", lambda applied: bool(applied.events))
        case Moment.COMMITTED:
            _die_before_telling()
        case Moment.COMPOSED:
            _die_after(Composition, "_compose", lambda _: True)
        case Moment.FROZEN:
            _die_before(WebhookNotifier, "deliver")
        case Moment.SENT:
            _die_after(WebhookNotifier, "deliver", lambda delivery: delivery.failure is None)
    uvloop.run(_work(settings, moment))


def look(settings: Settings) -> None:
    """Look at monitors and tell nobody, until killed."""
    serve(settings, queues=[JobKind.ROUND.value])


async def _work(settings: Settings, moment: Moment) -> None:
    worker_id = new_worker_id()
    context = ProcessContext.open(settings, name=f"dying {worker_id}")
    services = await WorkerServices.open(context, worker_id=worker_id)
    services.execution = build_execution(context, services.leases, services._works(), on_step=_hook_of(moment))
    kind = JobKind.ROUND if moment in OF_ROUNDS else JobKind.NOTIFY
    await run_until(asyncio.Event(), services, kinds=[kind])


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hook_of(moment: Moment) -> StepHook:
    if moment not in AT_STEPS:
        return no_hook

    def die(step: Step) -> None:
        if step.value == moment.value:
            _die()

    return die


def _die_after(where: type, name: str, is_time: Callable[[Any], bool]) -> None:
    whole = getattr(where, name)

    async def dying(*arguments: Any, **named: Any) -> Any:
        answer = await whole(*arguments, **named)
        if is_time(answer):
            _die()
        return answer

    setattr(where, name, dying)


def _die_before(where: type, name: str) -> None:
    async def dying(*_arguments: Any, **_named: Any) -> None:
        _die()

    setattr(where, name, dying)


def _die_before_telling() -> None:
    whole = Alerting.tell

    def dying(alerting: Alerting, applied: Any) -> None:
        if applied.events:
            _die()
        whole(alerting, applied)

    Alerting.tell = dying  # type: ignore[assignment, method-assign]
