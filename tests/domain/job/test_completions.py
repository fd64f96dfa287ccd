"""What is told of a job's end."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from shared.domain.job.completions import MAX_EVENT_BYTES, EndedJob, completion_event, completion_job
from shared.domain.job.jobs import TERMINAL_STATES, JobKind, JobState

ENDED = EndedJob(
    job_id=UUID(int=1),
    kind=JobKind.COLLECT,
    state=JobState.SUCCEEDED,
    attempt=1,
    labels={"team": "web"},
    result={"up": 3},
    error=None,
    finished_at=datetime(2026, 11, 21, 12, tzinfo=UTC),
    webhook={"url": "https://hooks.example/jobs"},
    principal_id="me",
    priority=7,
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
)


@pytest.mark.parametrize("state", sorted(TERMINAL_STATES))
def test_every_end_has_a_type_of_its_own(state: JobState) -> None:
    """`job.` and the state."""
    assert completion_event(replace(ENDED, state=state))["type"] == f"job.{state.value}"


def test_the_notification_belongs_to_its_job() -> None:
    """Its child, of the same people, labels, priority and trace."""
    job = completion_job(ENDED, job_id=UUID(int=2))
    assert (job.job_id, job.parent_id) == (UUID(int=2), ENDED.job_id)
    assert (job.principal_id, job.labels, job.priority) == (ENDED.principal_id, ENDED.labels, ENDED.priority)
    assert job.traceparent == ENDED.traceparent
    assert job.completion is None


def test_a_long_result_is_left_out_and_that_is_said() -> None:
    """What is told stays small; what fits is told whole."""
    fitting = completion_event(replace(ENDED, result={"text": "x" * 19_000}))
    event = completion_event(
        replace(ENDED, result={"text": "x" * MAX_EVENT_BYTES}, error={"code": "a", "message": "b"})
    )
    assert "result_omitted" not in fitting["data"]
    assert (event["data"]["result"], event["data"]["result_omitted"]) == (None, True)
    assert event["data"]["error"] == {"code": "a", "message": "b"}
    assert len(msgspec.json.encode(event)) < MAX_EVENT_BYTES


def test_a_long_error_is_cut() -> None:
    """Its code and its first thousand characters are told."""
    event = completion_event(replace(ENDED, error={"code": "a", "message": "y" * 30_000}))
    assert event["data"]["error"] == {"code": "a", "message": "y" * 1000}
