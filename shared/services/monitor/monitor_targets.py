"""Monitors' targets on their way into the database and back: sealed when they hold secrets, masked for people."""

from typing import Any

import msgspec

from shared.domain.durations import format_duration
from shared.domain.heartbeat.heartbeats import HeartbeatTarget
from shared.domain.merge_patch import merge_patch
from shared.domain.monitor.monitor_changes import KeptMonitor, KeptTarget
from shared.domain.monitor.monitors import MonitoredTarget, MonitorSpec
from shared.domain.monitor.target_documents import (
    TARGET,
    WrongPlaceError,
    check_place,
    document_of,
    keep_secrets,
    name_of,
    shown_of,
)
from shared.domain.secret.secrets import has_secrets, secret_names_of
from shared.vault import Vault

_CONDITIONS = ("conditions", "degraded_conditions")
_SCHEDULES = ("interval", "cron")


def prepare_target(target: MonitoredTarget, vault: Vault) -> KeptTarget:
    """The target as it is kept.

    Raises:
        NoSecretKeyError: it holds secrets, and there is no key to seal them with.
    """
    text = _text_of(target)
    is_sealed, names = False, tuple[str, ...]()
    if not isinstance(target, HeartbeatTarget):
        is_sealed, names = has_secrets(target), secret_names_of(target)
    return KeptTarget(
        kind=target.kind,
        name=name_of(target),
        text=vault.seal(text) if is_sealed else text,
        is_sealed=is_sealed,
        shown=shown_of(target),
        secret_names=names,
    )


def read_target(kept: KeptTarget, vault: Vault) -> MonitoredTarget:
    """The target with its secrets, for comparing and changing it only.

    Raises:
        NoSecretKeyError: it is sealed, and there is no key.
        UnreadableSecretError: it is sealed with another key.
    """
    return TARGET.validate_json(_kept_text(kept, vault))


def says_what_is_kept(target: MonitoredTarget, kept: KeptTarget, vault: Vault) -> bool:
    """Whether a target says word for word what is kept; cheaper than to read that as a target.

    Raises:
        NoSecretKeyError: it is sealed, and there is no key.
        UnreadableSecretError: it is sealed with another key.
    """
    return _text_of(target) == _kept_text(kept, vault)


def spec_document(kept: KeptMonitor) -> dict[str, Any]:
    """The monitor's fields as people write them, as JSON, its target as it is shown."""
    monitor = kept.monitor
    schedule = monitor.schedule
    when = {"cron": schedule.cron} if schedule.interval is None else {"interval": format_duration(schedule.interval)}
    return {
        "name": monitor.name,
        "group": monitor.group,
        "description": monitor.description,
        "target": dict(monitor.shown),
        **when,
        "timezone": schedule.timezone,
        "confirmations": monitor.confirmations,
        "confirm_interval": format_duration(monitor.confirm_interval),
        "labels": dict(monitor.labels),
        "paused": monitor.paused_at is not None,
    }


def patched_spec(kept: KeptMonitor, patch: dict[str, Any], vault: Vault) -> MonitorSpec:
    """The monitor with a merge patch applied. What is masked stands for what is kept.

    Raises:
        ValidationError: it would be no monitor.
        WrongPlaceError: something masked stands for nothing, or a secret would be sent elsewhere.
        NoSecretKeyError: its target is sealed, and there is no key.
        UnreadableSecretError: its target is sealed with another key.
    """
    target = read_target(kept.target, vault)
    document = spec_document(kept) | {"target": document_of(target)}
    changed = merge_patch(_without_other_schedule(document, patch), _with_conditions_moved(patch))
    if isinstance(changed.get("target"), dict):
        _check_kind(changed["target"].get("kind"), target)
        changed["target"] = keep_secrets(changed["target"], target)
    spec = _read_spec(changed)
    check_place(spec.target, target)
    return spec


def written_spec(spec: MonitorSpec, kept: KeptMonitor, vault: Vault) -> MonitorSpec:
    """The monitor as it is said anew, with what is kept in the place of what is masked.

    Raises:
        WrongPlaceError: something masked stands for nothing, or a secret would be sent elsewhere.
        NoSecretKeyError: its target is sealed, and there is no key.
        UnreadableSecretError: its target is sealed with another key.
    """
    target = read_target(kept.target, vault)
    _check_kind(spec.target.kind, target)
    filled = keep_secrets(document_of(spec.target), target)
    written = spec.model_copy(update={"target": TARGET.validate_json(msgspec.json.encode(filled))})
    check_place(written.target, target)
    return written


def _text_of(target: MonitoredTarget) -> str:
    return msgspec.json.encode(document_of(target)).decode()


def _kept_text(kept: KeptTarget, vault: Vault) -> str:
    return vault.unseal(kept.text) if kept.is_sealed else kept.text


def _read_spec(document: dict[str, Any]) -> MonitorSpec:
    return MonitorSpec.model_validate_json(msgspec.json.encode(document))


def _check_kind(kind: object, kept: MonitoredTarget) -> None:
    if kind != kept.kind:
        raise WrongPlaceError(f"the monitor is of the kind {kept.kind} for ever; make another one", "/target/kind")


def _with_conditions_moved(patch: dict[str, Any]) -> dict[str, Any]:
    """The patch with conditions where they are kept, in the target."""
    moved = {name: patch[name] for name in _CONDITIONS if name in patch}
    if not moved:
        return patch
    inner = patch.get("target", {})
    if not isinstance(inner, dict):
        return patch
    for name in moved:
        if name in inner:
            raise WrongPlaceError(f"give {name} to the monitor or to its target, not to both", f"/{name}")
    return {name: value for name, value in patch.items() if name not in moved} | {"target": inner | moved}


def _without_other_schedule(document: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The document without its interval where the patch gives a cron expression, and the other way round."""
    given = [name for name in _SCHEDULES if patch.get(name) is not None]
    if len(given) != 1:
        return document
    return {name: value for name, value in document.items() if name not in _SCHEDULES or name == given[0]}
