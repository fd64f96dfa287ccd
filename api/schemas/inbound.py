"""Alerts as other monitoring systems send them: the bodies of Alertmanager's API v2 and of its webhook, version 4.

They are the formats of others, so that fields unknown to us are let be.
"""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, RootModel, TypeAdapter, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.jobs import View
from api.schemas.moments import EARLIEST, Moment
from api.schemas.queries import QueryModel
from shared.domain.alert.inbound import InboundAlert
from shared.domain.durations import Duration
from shared.domain.forms import PRINTABLE

MAX_ALERTS = 10_000
MAX_NAMES = 64
MAX_VALUE = 2_000
MAX_ANNOTATION = 4_000
"""A longer annotation is cut: it is for people, and no reason to lose an alert."""
MAX_GENERATOR_URL = 8_000

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=PRINTABLE)]
SentLabels = Annotated[
    dict[Name, Annotated[str, Field(max_length=MAX_VALUE)]], Field(min_length=1, max_length=MAX_NAMES)
]
SentAnnotations = Annotated[dict[Name, str], Field(max_length=MAX_NAMES)]


class _Sent(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class InboundQuery(QueryModel):
    """How long alerts fire."""

    expires_in: Annotated[
        Duration | None,
        Field(
            ge=timedelta(seconds=10),
            le=timedelta(days=31),
            description="How long one that says no end fires unless it is repeated; 5 m, and 6 d of webhooks.",
        ),
    ] = None


class SentAlert(_Sent):
    """An alert of Alertmanager's API v2; its labels are what it is known by."""

    labels: SentLabels
    annotations: SentAnnotations = Field(default_factory=dict)
    starts_at: Annotated[Moment | None, Field(alias="startsAt")] = None
    ends_at: Annotated[
        Moment | None, Field(alias="endsAt", description="In the past it is over; else until when it fires.")
    ] = None
    generator_url: Annotated[str | None, Field(alias="generatorURL")] = None

    @model_validator(mode="after")
    def _has_labels(self) -> Self:
        if not any(value.strip("\0") for value in self.labels.values()):
            raise PydanticCustomError("no_labels", "an alert needs a label with a value")
        return self

    def inbound(self) -> InboundAlert:
        """The alert as it is taken in: labels without a value are none, and times of the year 1 are no times.

        NUL is left out, which cannot be kept: two alerts that differ in nothing else are one.
        """
        labels = {name: value.replace("\0", "") for name, value in self.labels.items()}
        return InboundAlert(
            labels={name: value for name, value in labels.items() if value},
            annotations={name: _cut(text) for name, text in self.annotations.items() if text},
            starts_at=_real(self.starts_at),
            ends_at=_real(self.ends_at),
            generator_url=self.generator_url[:MAX_GENERATOR_URL] if self.generator_url else None,
            is_resolved=self._is_resolved(),
        )

    def _is_resolved(self) -> bool | None:
        """Its end tells."""
        return None


class WebhookAlert(SentAlert):
    """An alert of Alertmanager's webhook, which says itself how it stands."""

    status: Literal["firing", "resolved"]

    def _is_resolved(self) -> bool | None:
        return self.status == "resolved"


class InboundAlerts(RootModel[Annotated[list[SentAlert], Field(max_length=MAX_ALERTS)]]):
    """What `POST /api/v2/alerts` of an Alertmanager takes."""


class AlertmanagerWebhook(_Sent):
    """What an Alertmanager's webhook tells, version 4."""

    version: Literal["4"]
    alerts: Annotated[list[WebhookAlert], Field(max_length=MAX_ALERTS)]


class AlertmanagerEnvelope(_Sent):
    """The same; its alerts are judged one by one, so that a wrong one does not spoil the others."""

    version: Literal["4"]
    alerts: Annotated[list[Any], Field(max_length=MAX_ALERTS)]


ALERTS: TypeAdapter[list[Any]] = TypeAdapter(Annotated[list[Any], Field(max_length=MAX_ALERTS)])
ENVELOPE: TypeAdapter[AlertmanagerEnvelope] = TypeAdapter(AlertmanagerEnvelope)
SENT_ALERT: TypeAdapter[SentAlert] = TypeAdapter(SentAlert)
WEBHOOK_ALERT: TypeAdapter[SentAlert] = TypeAdapter(WebhookAlert)


class InboundView(View):
    """What the alerts of a request did."""

    fired: int
    repeated: int
    resolved: int
    ignored: int = Field(description="Over, and not firing here.")


def _real(moment: datetime | None) -> datetime | None:
    """Go writes a time that is not set as the first moment of the year 1."""
    return None if moment is None or moment <= EARLIEST else moment


def _cut(text: str) -> str:
    return text if len(text) <= MAX_ANNOTATION else text[: MAX_ANNOTATION - 1] + "…"
