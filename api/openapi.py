"""The API's own description, OpenAPI 3.1: the framework's, with the bodies we read ourselves and the keys."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from api.openapi_words import EXAMPLES, PARAMETERS, TAGS
from api.preferences import KEY_PATTERN
from api.problems import CONTENT_TYPE
from api.schemas.alerts import AcknowledgeBody, BulkAcknowledgeBody
from api.schemas.backtest import RuleTestBody
from api.schemas.channels import DisableBody
from api.schemas.diagnostics import ProfileBody
from api.schemas.inbound import AlertmanagerWebhook, InboundAlerts
from api.schemas.inhibitions import InhibitionBody
from api.schemas.keys import KeyBody
from api.schemas.limits import LimitBody
from api.schemas.maintenance import MaintenanceBody
from api.schemas.monitor_changes import MonitorBatchBody, MonitorSelectionBody
from api.schemas.monitor_plans import MonitorApplyBody, MonitorPlanBody
from api.schemas.notices import BulkRedeliverBody
from api.schemas.pings import PingKeyBody
from api.schemas.problems import ProblemView
from api.schemas.queues import QueueBody, QueueReason
from api.schemas.requeue import BulkRequeueBody, ErrorRequeueBody, RequeueBody
from api.schemas.secrets import SecretBody
from api.schemas.silences import SilenceBody, SilencePatch
from api.schemas.submissions import BatchBody, CollectSubmission, JobSubmissionBody, NotifySubmission
from shared.domain.channel.channel_specs import ANY_CHANNEL_SPEC, CHANNEL_SPECS
from shared.domain.monitor.monitors import MonitorSpec
from shared.domain.rule.rule_documents import RuleDocument
from shared.domain.target.kinds import PLACEHOLDERS

Documented = dict[int | str, dict[str, Any]]

_REF = "#/components/schemas/{model}"
_MODELS: tuple[type[BaseModel], ...] = (
    AcknowledgeBody,
    BulkAcknowledgeBody,
    CollectSubmission,
    NotifySubmission,
    *CHANNEL_SPECS.values(),
    DisableBody,
    BulkRedeliverBody,
    InhibitionBody,
    AlertmanagerWebhook,
    InboundAlerts,
    KeyBody,
    LimitBody,
    MaintenanceBody,
    MonitorApplyBody,
    MonitorPlanBody,
    MonitorSelectionBody,
    MonitorSpec,
    PingKeyBody,
    ProfileBody,
    QueueBody,
    QueueReason,
    RequeueBody,
    RuleDocument,
    RuleTestBody,
    BulkRequeueBody,
    ErrorRequeueBody,
    SecretBody,
    SilenceBody,
    SilencePatch,
    ProblemView,
)
_PROBLEM = {"content": {CONTENT_TYPE: {"schema": {"$ref": _REF.format(model="ProblemView")}}}}
_DESCRIPTIONS = {
    400: "The request cannot be read, or the cursor belongs to another query.",
    401: "No valid API key.",
    403: "The key does not carry the right.",
    404: "There is no such thing.",
    405: "The path does not know this method.",
    409: "The state does not allow it, or another one stands in its place.",
    410: "The job is older than jobs are kept.",
    412: "It has changed meanwhile.",
    413: "The body is too large.",
    415: "The body is not declared as JSON.",
    422: "The input is not valid, or the idempotency key stands for another request.",
    428: "If-Match is missing.",
    503: "Overloaded, or the database is away; nothing is known to be taken.",
}
_CONDITIONS = {"http": "[STATUS] == 200", "database": "[RESPONSE_TIME] < 300", "file": "[SIZE] < 5MB"}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}

PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=N` holds the request up to N seconds (at most 30), `respond-async` does not; RFC 7240.",
    "schema": {"type": "string"},
}
IF_NONE_MATCH: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The entity tag you have: 304 if it still stands; with `Prefer: wait` the answer comes on a change.",
    "schema": {"type": "string"},
}
IF_MATCH: dict[str, Any] = {
    "name": "If-Match",
    "in": "header",
    "description": "Cancel only if the job still has this entity tag.",
    "schema": {"type": "string"},
}
IF_NONE_MATCH_MONITOR: dict[str, Any] = IF_NONE_MATCH | {
    "description": "The entity tag you have: 304 if the monitor still stands as it did; its uptime does not count."
}
IF_NONE_MATCH_ALERT: dict[str, Any] = IF_NONE_MATCH | {
    "description": "The entity tag you have: 304 if nothing has happened to the alert since."
}
IF_MATCH_MONITOR: dict[str, Any] = IF_MATCH | {
    "description": "The entity tag you have, or `*`: how the monitor stands may have changed, its version may not."
}
IF_NONE_MATCH_CHANNEL: dict[str, Any] = IF_NONE_MATCH | {
    "description": "The entity tag you have: 304 if the channel still stands as it did."
}
IF_MATCH_CHANNEL: dict[str, Any] = IF_MATCH | {
    "description": "The entity tag you have, or `*`: how the channel fares may have changed, its version may not."
}
IF_NONE_MATCH_RULE: dict[str, Any] = IF_NONE_MATCH | {
    "description": "The entity tag you have: 304 if the rule is as it was, and as many of its alerts are open."
}
IF_MATCH_RULE: dict[str, Any] = IF_MATCH | {
    "description": "The entity tag you have, or `*`: its alerts may have changed, its version may not."
}
IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A repeat with the same key and body answers with the first one's job. Kept for 24 hours.",
    "schema": {"type": "string", "format": "idempotency-key", "pattern": KEY_PATTERN},
}
VALIDATE_ONLY: dict[str, Any] = {
    "name": "validate_only",
    "in": "query",
    "description": "Judge the body, make nothing.",
    "schema": {"type": "boolean"},
}


def problems(*statuses: int) -> Documented:
    """The problems that a route answers with, beside those that every route knows."""
    documented: Documented = {}
    for status in sorted({400, 401, 403, 503, *statuses}):
        documented[status] = {"description": _DESCRIPTIONS[status], **_PROBLEM}
    documented[503] = documented[503] | {"headers": _RETRY_AFTER}
    return documented


def request_body(name: str) -> dict[str, Any]:
    """The description of a body that a route reads by itself; `name` is a component."""
    example = {"example": EXAMPLES[name]} if name in EXAMPLES else {}
    schema = {"$ref": _REF.format(model=name)}
    return {"required": True, "content": {"application/json": {"schema": schema, **example}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """The whole description."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        openapi_version="3.1.0",
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    _drop_foreign_errors(document)
    _describe_parameters(document)
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    schemas |= _body_schemas()
    _name_formats(schemas)
    _close_names(schemas)
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "`tocsin_{read|submit|admin}_…`"},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    # Without a key where none is needed; see the settings.
    document["security"] = [{"bearer": []}, {"header": []}, {}]
    return document


def _close_names(schema: Any) -> None:  # noqa: ANN401 - a schema is any JSON
    """Say that names which do not match are refused: the models say it by their keys' pattern only."""
    if isinstance(schema, dict):
        if "patternProperties" in schema:
            schema.setdefault("additionalProperties", False)
        for part in schema.values():
            _close_names(part)
    elif isinstance(schema, list):
        for part in schema:
            _close_names(part)


def _name_formats(schemas: dict[str, Any]) -> None:
    """Say of texts that they are more than texts, each with an example; JSON Schema has no word for these."""
    for kind in PLACEHOLDERS:
        for name in ("conditions", "degraded_conditions"):
            items = schemas[f"{kind.capitalize()}Target"]["properties"][name]["items"]
            items |= {"format": f"{kind}-condition", "examples": [_CONDITIONS[kind]]}
    schemas["DatabaseTarget"]["properties"]["dsn"] |= {
        "format": "dsn",
        "examples": ["postgresql://reader:secret@db.example/shop"],
    }
    spec = schemas["MonitorSpec"]
    spec["properties"]["cron"]["anyOf"][0] |= {"format": "cron"}
    spec["properties"]["timezone"] |= {"format": "timezone"}
    schemas["QuietHours"]["properties"]["timezone"] |= {"format": "timezone"}
    given = {name: {"type": "string"} for name in ("interval", "cron")}
    spec["not"] = {"required": list(given), "properties": given}
    pattern = schemas["FileTarget"]["properties"]["pattern"]["anyOf"][0]
    pattern |= {"format": "line-pattern", "examples": ["ERROR|FATAL"]}


def _describe_parameters(document: dict[str, Any]) -> None:
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] in PARAMETERS:
                    parameter.setdefault("description", PARAMETERS[parameter["name"]])


def _drop_foreign_errors(document: dict[str, Any]) -> None:
    """Forget the framework's own error shape; no route answers with it."""
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
    for path in document["paths"].values():
        for operation in path.values():
            responses = operation["responses"]
            if "HTTPValidationError" in str(responses.get("422")):
                del responses["422"]


def _body_schemas() -> dict[str, Any]:
    _, definitions = models_json_schema([(model, "validation") for model in _MODELS], ref_template=_REF)
    schemas: dict[str, Any] = dict(definitions["$defs"])
    submission = TypeAdapter(JobSubmissionBody).json_schema(ref_template=_REF)
    submission.pop("$defs", None)
    batch = BatchBody.model_json_schema(ref_template=_REF)
    # No reference: a wrong item is not refused with the whole, its own result says what is wrong.
    batch["properties"]["jobs"]["items"] = {"description": "A job, as `POST /api/v1/jobs` takes it."}
    changes = MonitorBatchBody.model_json_schema(ref_template=_REF)
    changes["properties"]["items"]["items"] = {"description": "`op` and what it takes; see the page on monitors."}
    for name in ("MonitorPlanBody", "MonitorApplyBody"):
        schemas[name]["properties"]["monitors"]["items"] = {"$ref": _REF.format(model="MonitorSpec")}
    patch = {"type": "object", "title": "MonitorPatch", "description": "Fields of MonitorSpec; null takes one out."}
    channel = TypeAdapter(ANY_CHANNEL_SPEC).json_schema(ref_template=_REF)
    channel.pop("$defs", None)
    fields = {"type": "object", "title": "ChannelPatch", "description": "Fields of ChannelSpec; null takes one out."}
    rule_fields = {"type": "object", "title": "RulePatch", "description": "Fields of RuleDocument; null takes one out."}
    own = {
        "ChannelSpec": channel,
        "ChannelPatch": fields,
        "JobSubmission": submission,
        "JobBatch": batch,
        "MonitorBatch": changes,
        "MonitorPatch": patch,
        "RulePatch": rule_fields,
    }
    return schemas | own
