"""What groups of failed jobs look like."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.schemas.jobs import View
from api.schemas.queries import QueryModel
from api.schemas.requeue import Fingerprint
from shared.domain.durations import Duration
from shared.domain.job.error_groups import ErrorGroup, GroupVersions
from shared.domain.job.jobs import JobKind

LONGEST_WINDOW = timedelta(days=366)


class ErrorListQuery(QueryModel):
    """Which failures to group."""

    window: Annotated[Duration, Field(le=LONGEST_WINDOW, description="How long back from now.")] = timedelta(days=1)
    kind: JobKind | None = None
    limit: int = Field(default=50, ge=0, description="At most 200; more is cut, 0 is the default.")


class ErrorLinks(View):
    """Where more is told about a group, and what can be done about it."""

    job: str
    jobs: str
    requeue: str


class ErrorGroupView(View):
    """Jobs that failed in the same way; `code`, `message` and `job_id` are of the latest one."""

    fingerprint: Fingerprint
    kind: JobKind
    code: str
    message: str
    job_id: UUID
    count: int = Field(description="Within the window, counted no further than 10,000.")
    is_count_cut: bool
    first_seen_at: datetime = Field(description="Over all jobs that are kept.")
    last_seen_at: datetime
    versions: dict[str, int] = Field(description="Attempts by the worker's version, of the first and last 20 jobs.")
    only_since_version: str | None = Field(
        description="The version all of these ran under, where workers of another one ran jobs right before."
    )
    links: ErrorLinks


class ErrorList(View):
    """The groups, the largest first."""

    items: list[ErrorGroupView]
    start: datetime
    truncated: bool = Field(description="Whether there are more groups than are shown.")


def group_json(group: ErrorGroup, versions: GroupVersions) -> dict[str, object]:
    """The group as `ErrorGroupView` describes it."""
    return {
        "fingerprint": group.fingerprint,
        "kind": group.kind.value,
        "code": group.code,
        "message": group.message,
        "job_id": str(group.job_id),
        "count": group.count,
        "is_count_cut": group.is_count_cut,
        "first_seen_at": group.first_seen_at,
        "last_seen_at": group.last_seen_at,
        "versions": dict(versions.versions),
        "only_since_version": versions.only_since_version,
        "links": {
            "job": f"/api/v1/jobs/{group.job_id}",
            "jobs": f"/api/v1/jobs?state=failed&fingerprint={group.fingerprint}",
            "requeue": f"/api/v1/errors/{group.fingerprint}:requeue",
        },
    }
