"""A monitor's target as JSON: with its secrets for whoever keeps it, and how masked values find back to them; pure."""

from typing import Any

from pydantic import TypeAdapter

from shared.domain.heartbeat.heartbeats import HeartbeatTarget
from shared.domain.monitor.monitors import MonitoredTarget
from shared.domain.secret.masking import MASK, mask_text
from shared.domain.target.target_identity import display_name, endpoint_of, mask_target
from shared.domain.target.targets import DatabaseTarget, FileTarget, HttpTarget

TARGET: TypeAdapter[HttpTarget | DatabaseTarget | FileTarget | HeartbeatTarget] = TypeAdapter(MonitoredTarget)

_MASKED_FIELDS = frozenset({"url", "body", "dsn"})


class WrongPlaceError(ValueError):
    """The document is wrong at `pointer` (RFC 6901), in a way that its model cannot know."""

    def __init__(self, detail: str, pointer: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer


def document_of(target: MonitoredTarget, *, is_whole: bool = False) -> dict[str, Any]:
    """The target as JSON, secrets and all; without what was not given unless `is_whole`."""
    document: dict[str, Any] = target.model_dump(mode="json", exclude_unset=not is_whole)
    match target:
        case HttpTarget() if target.headers:
            document["headers"] = {name: value.get_secret_value() for name, value in target.headers.items()}
        case DatabaseTarget():
            document["dsn"] = target.dsn.get_secret_value()
    return document


def shown_of(target: MonitoredTarget) -> dict[str, Any]:
    """The target as JSON with every secret masked, leaving out what was not given."""
    return document_of(target) if isinstance(target, HeartbeatTarget) else mask_target(target)


def name_of(target: MonitoredTarget) -> str:
    """What people are shown as the target, without secrets; a heartbeat has no address, and so no name."""
    return "" if isinstance(target, HeartbeatTarget) else display_name(target)


def keep_secrets(document: dict[str, Any], kept: MonitoredTarget) -> dict[str, Any]:
    """The document with the kept target's secrets where it has what is shown in their place.

    Raises:
        WrongPlaceError: something masked stands for nothing that is kept.
    """
    shown, secret = shown_of(kept), document_of(kept)
    filled = dict(document)
    for name in _MASKED_FIELDS & filled.keys():
        filled[name] = _unmasked(filled[name], shown.get(name), secret.get(name), pointer=f"/target/{name}")
    if isinstance(filled.get("headers"), dict):
        masked, headers = shown.get("headers", {}), secret.get("headers", {})
        filled["headers"] = {
            name: _unmasked(value, masked.get(name), headers.get(name), pointer=f"/target/headers/{_escape(name)}")
            for name, value in filled["headers"].items()
        }
    return filled


def _unmasked(value: object, shown: object, secret: object, *, pointer: str) -> object:
    if value == shown:
        return secret
    if value != secret and isinstance(value, str) and MASK in value:
        raise WrongPlaceError("*** stands for what is kept, and this is not how that is shown: write it anew", pointer)
    return value


def check_unmasked(target: MonitoredTarget) -> None:
    """Refuse what is masked in a target that is new: it stands for nothing.

    Such a target comes from another installation's export; what it finds there would be blamed on the target.

    Raises:
        WrongPlaceError: a secret has to be given.
    """
    document = document_of(target)
    headers = document.get("headers", {})
    masked = [f"/target/{name}" for name in ("url", "dsn") if MASK in document.get(name, "")]
    masked += [f"/target/headers/{_escape(name)}" for name, value in headers.items() if MASK in value]
    masked += ["/target/body"] if document.get("body") == MASK else []
    if masked:
        raise WrongPlaceError(
            "*** stands for what is kept, and nothing is kept yet: write the secret itself", masked[0]
        )


def check_place(target: MonitoredTarget, kept: MonitoredTarget) -> None:
    """Refuse to send secrets that are kept to another place than before: they would no longer be write-only.

    Raises:
        WrongPlaceError: a secret has to be given anew.
    """
    if not isinstance(target, HttpTarget) or not isinstance(kept, HttpTarget) or _place_of(target) == _place_of(kept):
        return
    for name, value in target.headers.items():
        if value == kept.headers.get(name) and MASK in mask_text(value.get_secret_value()):
            pointer = f"/target/headers/{_escape(name)}"
            raise WrongPlaceError("the target's address is another one: write this header anew", pointer)
    if target.body is not None and target.body == kept.body and MASK in mask_text(target.body):
        raise WrongPlaceError("the target's address is another one: write the body anew", "/target/body")


def _place_of(target: HttpTarget) -> tuple[str, str | None]:
    return target.url.partition(":")[0].lower(), endpoint_of(target)


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
