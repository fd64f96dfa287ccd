"""What silences look like, and how they are made and changed."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from api.schemas.jobs import View
from api.schemas.moments import Moment
from api.schemas.queries import Cursor, QueryModel
from shared.domain.durations import Duration
from shared.domain.matchers import Matchers, MatcherText, parse_matchers
from shared.domain.suppression.silences import Silence, SilenceChange, SilenceState

SilencedMatchers = Annotated[
    MatcherText,
    Field(
        min_length=1,
        description="Which alerts, by their labels; one at least must not match an empty value.",
        json_schema_extra={"format": "matchers"},
    ),
]
Comment = Annotated[str, Field(max_length=2000)]


class SilenceListQuery(QueryModel):
    """Which silences to list."""

    state: list[SilenceState] = Field(default_factory=list, max_length=3, description="Any of these states.")
    limit: int = Field(default=100, ge=0, description="At most 200; more is cut, 0 is the default.")
    cursor: Cursor = None


class MakeQuery(QueryModel):
    """Whether it is only tried."""

    validate_only: Annotated[bool, Field(description="Judge the body and tell what it means; make nothing.")] = False


class _SilenceFields(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    starts_at: Annotated[Moment | None, Field(description="Now unless told; what has passed is now.")] = None
    ends_at: Moment | None = None
    duration: Annotated[Duration | None, Field(description="How long, instead of `ends_at`.")] = None


class SilenceBody(_SilenceFields):
    """Alerts that are not told of for a while; give `ends_at` or `duration`."""

    matchers: SilencedMatchers
    comment: Comment = ""

    @property
    def change(self) -> SilenceChange:
        """What is asked for."""
        return SilenceChange(_read(self.matchers), self.starts_at, self.ends_at, self.duration, self.comment)


class SilencePatch(_SilenceFields):
    """What is to be different of a silence that has not expired; `duration` counts from now."""

    matchers: SilencedMatchers | None = None
    comment: Comment | None = None

    @property
    def change(self) -> SilenceChange:
        """What is asked for."""
        return SilenceChange(_read(self.matchers), self.starts_at, self.ends_at, self.duration, self.comment)


def _read(text: str | None) -> Matchers | None:
    return None if text is None else parse_matchers(text)


SILENCE_BODY: TypeAdapter[SilenceBody] = TypeAdapter(SilenceBody)
SILENCE_PATCH: TypeAdapter[SilencePatch] = TypeAdapter(SilencePatch)


class SilenceView(View):
    """A silence."""

    id: UUID
    matchers: str
    state: SilenceState
    starts_at: datetime
    ends_at: datetime
    comment: str
    created_at: datetime
    created_by: str


class SilenceDetailView(SilenceView):
    """A silence, and what it means now."""

    firing: int = Field(description="How many firing alerts match now, of the 10,000 first.")


class SilencePreview(View):
    """What a silence would mean."""

    matchers: str
    starts_at: datetime
    ends_at: datetime
    firing: int = Field(description="How many firing alerts match now, of the 10,000 first.")


class SilencePage(View):
    """Silences, the newest first."""

    items: list[SilenceView]
    next_cursor: str | None = Field(description="Leads to the next page; null is the only sign of the end.")


def silence_json(silence: Silence, *, now: datetime) -> dict[str, object]:
    """A silence as `SilenceView` describes it."""
    return {
        "id": str(silence.silence_id),
        "matchers": str(silence.matchers),
        "state": silence.state_at(now).value,
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
        "comment": silence.comment,
        "created_at": silence.created_at,
        "created_by": silence.created_by,
    }


def preview_json(silence: Silence, *, firing: int) -> dict[str, object]:
    """A silence that was not made, as `SilencePreview` describes it."""
    return {
        "matchers": str(silence.matchers),
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
        "firing": firing,
    }
