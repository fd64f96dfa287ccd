"""`tocsin doctor`: looks at settings, servers, workers and jobs; `--drill` stages losses and times the repair."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

from pydantic import SecretStr

from cli.doctor_view import Checkup, show, show_json
from cli.embedded.postgres import find_database_url
from cli.embedded.valkey import find_redis_url
from shared.broker import REDIS_AWAY
from shared.domain.fleet.diagnosis import Finding, Level, judge_disk, worst_of
from shared.domain.fleet.drill import DrillResult
from shared.domain.target.egress import EgressPolicy
from shared.log import configure_logging
from shared.services.fleet.diagnosis import Diagnosis
from shared.services.fleet.drill import Drill
from shared.services.job.job_recovery import JobRecovery
from shared.services.job.ring_repair import RingRepair
from shared.settings import Settings
from shared.storage.errors import StorageUnavailableError
from shared.wiring import ProcessContext

EXIT_FAILED = 1


@dataclass(frozen=True, slots=True)
class _Drilled:
    results: Sequence[DrillResult] = ()
    by_workers: int = 0
    failure: str | None = None


def run_doctor(settings: Settings, *, with_drill: bool, as_json: bool) -> int:
    """Look at everything, print what was found, and answer the exit code: 1 when something fails."""
    configure_logging("error", settings.log_format)
    settings, findings = locate_servers(settings)
    findings += [judge_egress(settings)]
    if settings.database_url is None or settings.redis_url is None:
        checkup = Checkup(findings)
    else:
        checkup = asyncio.run(_look(settings, findings, with_drill=with_drill))
    (show_json if as_json else show)(checkup)
    has_failed = worst_of(checkup.findings) is Level.FAIL or not all(result.has_held for result in checkup.drill)
    return EXIT_FAILED if has_failed or checkup.drill_failure else 0


def locate_servers(settings: Settings) -> tuple[Settings, list[Finding]]:
    """The settings with the addresses of the servers of a running `tocsin up` where none are set."""
    found = {
        "database_url": settings.database_url or _secret(find_database_url(settings.data_dir)),
        "redis_url": settings.redis_url or _secret(find_redis_url(settings.data_dir)),
    }
    missing = [f"TOCSIN_{name.upper()}" for name, url in found.items() if url is None]
    is_embedded = settings.database_url is None or settings.redis_url is None
    if missing:
        advice = f"start `tocsin up`, or set {' and '.join(missing)}"
        finding = Finding("settings", Level.FAIL, f"no server runs below {settings.data_dir}", advice)
        return settings, [finding]
    findings = [Finding("settings", Level.OK, "the servers of `tocsin up`" if is_embedded else "servers of your own")]
    if is_embedded:
        usage = shutil.disk_usage(settings.data_dir)
        findings.append(judge_disk(str(settings.data_dir), free_bytes=usage.free, total_bytes=usage.total))
    return settings.model_copy(update=found), findings


def _secret(url: str | None) -> SecretStr | None:
    return None if url is None else SecretStr(url)


def judge_egress(settings: Settings) -> Finding:
    """Whether what may be dialled can be read; a worker does not start otherwise."""
    try:
        EgressPolicy.parse(settings.egress, settings.egress_allow, allow_loopback=settings.egress_loopback)
        EgressPolicy.parse(settings.webhook_egress, settings.egress_allow, setting="TOCSIN_WEBHOOK_EGRESS")
    except ValueError as error:
        return Finding("egress", Level.FAIL, str(error), "workers do not start with it: correct the setting")
    return Finding("egress", Level.OK, f"collectors {settings.egress}, webhooks {settings.webhook_egress}")


async def _look(settings: Settings, findings: Sequence[Finding], *, with_drill: bool) -> Checkup:
    async with _context(settings) as context:
        diagnosis = Diagnosis(
            context.database,
            context.redis,
            clock=context.clock,
            pool_size=settings.database_pool_size,
            version=version("tocsin"),
        )
        findings = [*findings, *await diagnosis.run()]
        drilled = await _drill(context, diagnosis, findings) if with_drill else _Drilled()
    return Checkup(findings, drilled.results, drill_by_workers=drilled.by_workers, drill_failure=drilled.failure)


async def _drill(context: ProcessContext, diagnosis: Diagnosis, findings: Sequence[Finding]) -> _Drilled:
    unfit = {"postgresql", "schema", "redis", "commands"}
    if any(finding.level is Level.FAIL and finding.name in unfit for finding in findings):
        return _Drilled(failure="not done: both servers have to be well first")
    drill = Drill(
        context.database,
        context.redis,
        repair=RingRepair(context.database, context.redis, context.task_queue),
        recovery=JobRecovery(context.database, context.announcer, clock=context.clock),
        clock=context.clock,
    )
    try:
        workers = len(await diagnosis.alive_workers())
        results = await drill.run(with_own_upkeep=not workers)
        await context.announcer.drain()
    except (StorageUnavailableError, *REDIS_AWAY) as error:
        return _Drilled(failure=f"cut short, a server went away: {error!r}")
    return _Drilled(results, by_workers=workers)


@asynccontextmanager
async def _context(settings: Settings) -> AsyncIterator[ProcessContext]:
    context = ProcessContext.open(settings, name="tocsin-doctor")
    try:
        yield context
    finally:
        await context.close()
