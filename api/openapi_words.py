"""What the API's description says in words and examples of our own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

TAGS: Mapping[str, str] = MappingProxyType(
    {
        "monitors": "What is watched again and again: made, found, changed, and looked at.",
        "uptime": "How long a monitor's target was up, and when not.",
        "overview": "How all monitors stand, at one look.",
        "statistics": "What was measured, over any time, and as a file.",
        "heartbeats": "Monitors that are pinged, and the keys of their doors.",
        "channels": "Where people are told, and whether that works.",
        "notices": "What was told, what was not, and telling it again.",
        "silences": "What is not told though it fires: silences, inhibitions and dependencies.",
        "maintenance": "Planned work, when nobody is told and nothing counts.",
        "secrets": "What targets name instead of holding it; never shown.",
        "rules": "Which monitors are judged by what, and who is told.",
        "alerts": "What rules found and what was sent in: found, looked at, acknowledged.",
        "live": "What happens, as it happens.",
        "jobs": "What is done once: submitted, followed, cancelled.",
        "requeue": "What failed, and doing it anew.",
        "queues": "Pausing, draining and scaling.",
        "limits": "How many jobs may run and start under a key.",
        "workers": "The processes that do the work.",
        "keys": "Who may ask.",
        "diagnostics": "What a process of the API is busy with.",
        "health": "Whether a process of the API lives, and can do its work.",
    }
)

PARAMETERS: Mapping[str, str] = MappingProxyType(
    {
        "monitor_id": "The monitor's `id`.",
        "channel_id": "The channel's `id`.",
        "notice_id": "The notice's `id`, which receivers know it by.",
        "rule_id": "The rule's `id`.",
        "alert_id": "The alert's `id`.",
        "silence_id": "The silence's `id`.",
        "inhibition_id": "The inhibition's `id`.",
        "maintenance_id": "The maintenance's `id`.",
        "job_id": "The job's `id`.",
        "key_id": "The key's `id`.",
        "fingerprint": "The group's `fingerprint`.",
        "kind": "Of this kind only.",
        "group": "Of monitors of this group.",
        "unique_key": "Submitted with this unique key.",
        "limit_key": "Submitted with this limit key.",
        "created_after": "Made at this moment or later.",
        "created_before": "Made before this moment.",
        "finished_after": "Ended at this moment or later.",
        "finished_before": "Ended before this moment.",
        "start": "The first moment that is meant, with its offset; see `window`.",
        "end": "The moment behind the last one that is meant, with its offset; now unless told.",
        "metric": "What is summed up: `duration_ms`, or a metric of the kind of target.",
        "percentiles": "Separated by commas, each above 0 and at most 100.",
    }
)
"""Of parameters that say nothing themselves, by name."""

_SHOP = {
    "name": "shop",
    "group": "web",
    "target": {"kind": "http", "url": "https://shop.example/health", "timeout": "5s"},
    "interval": "30s",
    "conditions": ["[STATUS] == 200", "[RESPONSE_TIME] < 800"],
    "labels": {"team": "web"},
}
_SENT_ALERT = {
    "labels": {"alertname": "DiskFull", "instance": "db-1:9100", "severity": "critical"},
    "annotations": {"summary": "/srv is at 97 %"},
    "startsAt": "2026-11-21T12:00:00Z",
    "generatorURL": "https://prometheus.example/graph",
}
EXAMPLES: Mapping[str, Any] = MappingProxyType(
    {
        "MonitorSpec": _SHOP,
        "MonitorPatch": {"interval": "10s", "labels": {"team": "web"}},
        "MonitorBatch": {"items": [{"op": "upsert", "monitor": _SHOP}]},
        "MonitorSelectionBody": {"label": ["team:web"]},
        "AcknowledgeBody": {"note": "the disk is being replaced"},
        "BulkAcknowledgeBody": {"where": {"match": ["team=web"]}, "note": "known since the deployment"},
        "MonitorPlanBody": {"owner": "files", "monitors": [_SHOP]},
        "MonitorApplyBody": {"owner": "files", "monitors": [_SHOP], "digest": "0123456789abcdef0123456789abcdef"},
        "ChannelSpec": {
            "name": "ops",
            "kind": "webhook",
            "url": "https://hooks.example/ops",
            "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "group_by": ["alertname", "team"],
        },
        "ChannelPatch": {"group_wait": "30s", "repeat_interval": None},
        "DisableBody": {"reason": "moving house"},
        "BulkRedeliverBody": {"channel": "ops", "since": "2026-01-31T12:00:00Z"},
        "SilenceBody": {"matchers": "alertname=down, team=web", "duration": "2h", "comment": "known since Monday"},
        "SilencePatch": {"duration": "4h"},
        "InhibitionBody": {
            "name": "behind the router",
            "depends_on": "role=router",
            "target": "role=app",
            "equal": ["site"],
        },
        "MaintenanceBody": {"name": "deploy", "selector": "team=web", "ttl": "15m"},
        "RuleDocument": {
            "name": "slow",
            "selector": "team=web",
            "expression": "p95(duration_ms, 5m) > 300 recover 250",
            "for": "2m",
            "severity": "warning",
            "annotations": {"summary": "{{ labels.monitor }} is slow"},
        },
        "RuleTestBody": {
            "rule": {"name": "slow", "selector": "team=web", "expression": "p95(duration_ms, 5m) > 300", "for": "2m"},
            "window": "7d",
        },
        "RulePatch": {"expression": "p95(duration_ms, 5m) > 400", "for": "5m"},
        "SecretBody": {"value": "correct horse"},
        "PingKeyBody": {"name": "cron jobs"},
        "InboundAlerts": [_SENT_ALERT],
        "AlertmanagerWebhook": {"version": "4", "status": "firing", "alerts": [_SENT_ALERT | {"status": "firing"}]},
        "KeyBody": {"name": "ci", "scope": "submit"},
        "JobSubmission": {"kind": "collect", "targets": [{"kind": "http", "url": "https://shop.example/health"}]},
    }
)
"""Of bodies, by the name of their component."""
