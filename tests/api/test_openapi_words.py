from typing import Any

import httpx2
import orjson
import pytest
from pydantic import TypeAdapter, ValidationError

from api.openapi_words import EXAMPLES, PARAMETERS, TAGS
from api.schemas.alerts import AcknowledgeBody, BulkAcknowledgeBody
from api.schemas.backtest import RuleTestBody
from api.schemas.channels import DisableBody
from api.schemas.inbound import AlertmanagerWebhook, InboundAlerts
from api.schemas.inhibitions import InhibitionBody
from api.schemas.keys import KeyBody
from api.schemas.maintenance import MaintenanceBody
from api.schemas.monitor_changes import MonitorBatchBody, MonitorSelectionBody
from api.schemas.monitor_plans import MonitorApplyBody, MonitorPlanBody
from api.schemas.notices import BulkRedeliverBody
from api.schemas.pings import PingKeyBody
from api.schemas.secrets import SecretBody
from api.schemas.silences import SilenceBody, SilencePatch
from api.schemas.submissions import JobSubmissionBody
from api.validation import mistakes_of
from shared.domain.channel.channel_specs import ANY_CHANNEL_SPEC
from shared.domain.monitor.monitors import MonitorSpec
from shared.domain.rule.rule_documents import RuleDocument

MODELS: dict[str, Any] = {
    "MonitorSpec": MonitorSpec,
    "MonitorPatch": MonitorSpec,
    "MonitorBatch": MonitorBatchBody,
    "MonitorSelectionBody": MonitorSelectionBody,
    "MonitorPlanBody": MonitorPlanBody,
    "MonitorApplyBody": MonitorApplyBody,
    "AcknowledgeBody": AcknowledgeBody,
    "BulkAcknowledgeBody": BulkAcknowledgeBody,
    "AlertmanagerWebhook": AlertmanagerWebhook,
    "InboundAlerts": InboundAlerts,
    "ChannelSpec": ANY_CHANNEL_SPEC,
    "ChannelPatch": ANY_CHANNEL_SPEC,
    "DisableBody": DisableBody,
    "BulkRedeliverBody": BulkRedeliverBody,
    "RuleDocument": RuleDocument,
    "RulePatch": RuleDocument,
    "RuleTestBody": RuleTestBody,
    "SilenceBody": SilenceBody,
    "SilencePatch": SilencePatch,
    "InhibitionBody": InhibitionBody,
    "MaintenanceBody": MaintenanceBody,
    "SecretBody": SecretBody,
    "PingKeyBody": PingKeyBody,
    "KeyBody": KeyBody,
    "JobSubmission": JobSubmissionBody,
}
PATCHED = {"MonitorPatch": "MonitorSpec", "ChannelPatch": "ChannelSpec", "RulePatch": "RuleDocument"}
"""What each patch is of."""


def mistakes_in(model: Any, body: Any) -> list[dict[str, str]]:
    """What a client that sends this body is told to mend."""
    try:
        TypeAdapter(model).validate_json(orjson.dumps(body))
    except ValidationError as error:
        return mistakes_of(error, prefix="")
    return []


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_examples_are_valid(name: str) -> None:
    """Who sends one as it stands is not refused for its form; a patch is judged by what it makes of the whole."""
    before = EXAMPLES.get(PATCHED.get(name, ""), {})
    body = before | EXAMPLES[name] if isinstance(EXAMPLES[name], dict) else EXAMPLES[name]
    assert mistakes_in(MODELS[name], body) == []


async def test_every_tag_and_parameter_is_described(client: httpx2.AsyncClient) -> None:
    """None is left without a word, and no word is left without use."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    operations = [operation for path in paths.values() for operation in path.values()]
    assert {tag for operation in operations for tag in operation["tags"]} == set(TAGS)
    parameters = [parameter for operation in operations for parameter in operation.get("parameters", ())]
    assert [each["name"] for each in parameters if not each.get("description")] == []
    told = {each["description"] for each in parameters}
    assert {name for name, text in PARAMETERS.items() if text not in told} == set()
