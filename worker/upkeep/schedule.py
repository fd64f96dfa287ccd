"""Which duties a worker keeps, and how often."""

from shared.wiring.worker import WorkerServices
from worker.upkeep.duties import Duty


def duties_of(services: WorkerServices) -> list[Duty]:
    """All upkeep; every worker does it, because each duty is safe anywhere and twice."""
    recovery, repair, retention = services.recovery, services.repair, services.retention
    rounds = services.round_upkeep
    return [
        Duty("schedule", 0.25, services.scheduling.run),
        Duty("settle", 2.0, rounds.settle),
        Duty("promote", 0.5, recovery.promote),
        Duty("heartbeats", 1.0, services.heartbeats.watch),
        Duty("judge_rules", 1.0, services.rule_sweep.run),
        Duty("release", 0.5, services.holds.release),
        Duty("relay", 1.0, repair.relay),
        Duty("expire", 1.0, recovery.expire),
        Duty("rescue", 2.0, recovery.rescue),
        Duty("reconcile", 3.0, repair.reconcile),
        Duty("sweep", 30.0, repair.sweep),
        Duty("anchor", 60.0, rounds.anchor),
        Duty("forget_rounds", 15.0, rounds.forget, breath_seconds=0.1),
        Duty("forget_gaps", 600.0, rounds.forget_gaps, breath_seconds=0.1),
        Duty("forget_jobs", 60.0, retention.forget_jobs, breath_seconds=0.1),
        Duty("forget_keys", 600.0, retention.forget_keys),
        Duty("forget_alerts", 60.0, services.alert_retention.forget_alerts, breath_seconds=0.1),
        Duty("forget_workers", 600.0, services.context.fleet.forget_silent),
        Duty("partitions", 600.0, services.keep_partitions),
        Duty("canaries", 5.0, services.watch_egress),
        Duty("settle_notices", 1.0, services.notice_upkeep.settle),
        Duty("wake_groups", 60.0, services.notice_upkeep.wake_idle, breath_seconds=1.0),
        Duty("escalate", 1.0, services.escalation.run),
        Duty("remind", 5.0, services.notice_upkeep.remind),
        Duty("recheck_suppressed", 5.0, services.notice_upkeep.recheck, breath_seconds=1.0),
        Duty("expire_inbound", 5.0, services.inbound.expire),
        Duty("maintenance", 1.0, services.maintenance.run),
        Duty("forget_suppressions", 600.0, services.forget_suppressions, breath_seconds=0.1),
        Duty("silence", 30.0, services.silence.settle),
        Duty("roll_up", 30.0, services.roll_up),
        Duty("pack_days", 60.0, services.pack_days, breath_seconds=1.0),
        Duty("cap_storage", 600.0, services.storage_cap.enforce),
    ]
