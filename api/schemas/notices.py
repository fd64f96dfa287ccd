"""What notices look like, how they are asked for, and telling them anew."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from api.job_entry import JOBS_PATH
from api.schemas.jobs import View
from api.schemas.moments import Moment
from api.schemas.queries import Cursor, QueryModel
from shared.domain.forms import PRINTABLE
from shared.domain.job.jobs import AttemptOutcome
from shared.domain.notice.notices import NoticeKind, NoticeState
from shared.storage.notice.notice_reading import NoticeStatus, NoticeTry

NOTICES_PATH = "/api/v1/notices"

ChannelRef = Annotated[
    Annotated[str, Field(min_length=1, max_length=200, pattern=PRINTABLE)] | None,
    Field(description="The channel's name or id."),
]


class NoticeListQuery(QueryModel):
    """Which notices to list."""

    channel: ChannelRef = None
    state: list[NoticeState] = Field(default_factory=list, max_length=6, description="Any of these states.")
    kind: list[NoticeKind] = Field(default_factory=list, max_length=3, description="Any of these kinds.")
    alert: Annotated[UUID | None, Field(description="Those that told of this alert.")] = None
    since: Annotated[Moment | None, Field(description="Made at this moment or later.")] = None
    until: Annotated[Moment | None, Field(description="Made before this moment.")] = None
    limit: int = Field(default=50, ge=0, description="At most 200; more is cut, 0 is the default.")
    cursor: Cursor = None


class BulkRedeliverBody(BaseModel):
    """Which failed notices to tell anew; to take all, send an empty object."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: ChannelRef = None
    since: Annotated[Moment | None, Field(description="Given up at this moment or later.")] = None
    until: Annotated[Moment | None, Field(description="Given up before this moment.")] = None


BULK_REDELIVER: TypeAdapter[BulkRedeliverBody] = TypeAdapter(BulkRedeliverBody)


class NoticeChannelView(View):
    """The channel of a notice."""

    id: UUID
    name: str


class NoticeLinks(View):
    """Where more is told about a notice."""

    self: str
    channel: str
    job: str


class NoticeView(View):
    """A notice: one message to one channel. Receivers know it, and its repeats, by the `id`."""

    id: UUID
    channel: NoticeChannelView
    kind: NoticeKind
    state: NoticeState
    status: str | None = Field(description="`firing` while any of its alerts is; null until it is composed.")
    alerts: int = Field(description="How many alerts it tells of.")
    group_labels: dict[str, str] | None = Field(description="What its alerts are alike in; null of a test.")
    number: int = Field(description="Its place among the notices of its group, from 1.")
    flush_at: datetime = Field(description="When it is, or was to be, composed.")
    composed_at: datetime | None
    ended_at: datetime | None
    created_at: datetime
    links: NoticeLinks


_TEMPLATE_FAILED: Any = Field(description="Why a template of the channel's own was not used, if one was not.")
_SHOWN_OF_TRIAL = ("status", "duration_ms", "answer", "code", "message", "template_failed")


class NoticeTryView(View):
    """One try at telling a notice."""

    job_id: UUID
    attempt: int
    worker: str
    started_at: datetime
    finished_at: datetime
    outcome: AttemptOutcome
    status: int | None = Field(description="The receiver's status, where it has one.")
    duration_ms: float
    answer: str | None = Field(description="The first kilobyte of what was answered, without the channel's secrets.")
    code: str | None
    message: str | None
    template_failed: str | None = _TEMPLATE_FAILED


class NoticeDetailView(NoticeView):
    """The same with what it says, and each try at telling it."""

    content: dict[str, Any] | None = Field(description="Frozen when it was composed; null before.")
    tries: list[NoticeTryView] = Field(description="The latest hundred, the first one first.")


class NoticePage(View):
    """Notices, the newest first."""

    items: list[NoticeView]
    next_cursor: str | None = Field(description="Leads to the next page; null is the only sign of the end.")


class RedeliveredView(View):
    """How many notices are on their way anew; with `more` others failed: send the request again when these ended."""

    redelivered: int
    more: bool


class ChannelTrialView(View):
    """How the test of a channel went. `delivered` is null until it has ended."""

    notice: UUID | None = Field(description="The test's notice; null where the channel is not kept.")
    job: str
    delivered: bool | None
    status: int | None
    duration_ms: float | None
    answer: str | None
    code: str | None
    message: str | None
    template_failed: str | None = _TEMPLATE_FAILED


def notice_json(notice: NoticeStatus) -> dict[str, object]:
    """A notice as `NoticeView` describes it."""
    return {
        "id": str(notice.notice_id),
        "channel": {"id": str(notice.channel_id), "name": notice.channel_name},
        "kind": notice.kind.value,
        "state": notice.state.value,
        "status": notice.status,
        "alerts": notice.alerts,
        "group_labels": notice.group_labels,
        "number": notice.number,
        "flush_at": notice.flush_at,
        "composed_at": notice.composed_at,
        "ended_at": notice.ended_at,
        "created_at": notice.created_at,
        "links": {
            "self": f"{NOTICES_PATH}/{notice.notice_id}",
            "channel": f"/api/v1/channels/{notice.channel_id}",
            "job": f"{JOBS_PATH}/{notice.job_id}",
        },
    }


def try_json(tried: NoticeTry) -> dict[str, object]:
    """A try as `NoticeTryView` describes it."""
    detail = tried.detail or {}
    return {
        "job_id": str(tried.job_id),
        "attempt": tried.attempt,
        "worker": tried.worker_id,
        "started_at": tried.started_at,
        "finished_at": tried.finished_at,
        "outcome": tried.outcome.value,
        "status": detail.get("status"),
        "duration_ms": round(detail.get("duration_ms") or tried.run_ms, 3),
        "answer": detail.get("answer"),
        "code": tried.code,
        "message": tried.message,
        "template_failed": detail.get("template_failed"),
    }


def trial_json(notice_id: UUID | None, job: str, tried: NoticeTry | None) -> dict[str, object]:
    """A test as `ChannelTrialView` describes it; `tried` is None until it has ended."""
    shown = try_json(tried) if tried is not None else {}
    return {
        "notice": None if notice_id is None else str(notice_id),
        "job": job,
        "delivered": None if tried is None else tried.outcome is AttemptOutcome.SUCCEEDED,
        **{name: shown.get(name) for name in _SHOWN_OF_TRIAL},
    }
