from typing import Any

import httpx2
import pytest
from pydantic import TypeAdapter

from api.openapi_words import EXAMPLES, PARAMETERS, TAGS
from api.schemas.keys import KeyBody
from api.schemas.monitor_changes import MonitorBatchBody, MonitorSelectionBody
from api.schemas.monitor_plans import MonitorApplyBody, MonitorPlanBody
from api.schemas.pings import PingKeyBody
from api.schemas.secrets import SecretBody
from api.schemas.submissions import JobSubmissionBody
from shared.domain.monitor.monitors import MonitorSpec

MODELS: dict[str, Any] = {
    "MonitorSpec": MonitorSpec,
    "MonitorPatch": dict[str, Any],
    "MonitorBatch": MonitorBatchBody,
    "MonitorSelectionBody": MonitorSelectionBody,
    "MonitorPlanBody": MonitorPlanBody,
    "MonitorApplyBody": MonitorApplyBody,
    "SecretBody": SecretBody,
    "PingKeyBody": PingKeyBody,
    "KeyBody": KeyBody,
    "JobSubmission": JobSubmissionBody,
}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_examples_are_valid(name: str) -> None:
    """Who sends one as it stands is not refused for its form."""
    TypeAdapter(MODELS[name]).validate_python(EXAMPLES[name])


async def test_every_tag_and_parameter_is_described(client: httpx2.AsyncClient) -> None:
    """None is left without a word, and no word is left without use."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    operations = [operation for path in paths.values() for operation in path.values()]
    assert {tag for operation in operations for tag in operation["tags"]} == set(TAGS)
    parameters = [parameter for operation in operations for parameter in operation.get("parameters", ())]
    assert [each["name"] for each in parameters if not each.get("description")] == []
    told = {each["description"] for each in parameters}
    assert {name for name, text in PARAMETERS.items() if text not in told} == set()
