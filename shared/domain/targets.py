"""What can be collected: one frozen model a kind, told apart by `kind`."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shared.domain.durations import Duration

LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,62}$")]
LabelValue = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Labels = Annotated[dict[LabelName, LabelValue], Field(max_length=22)]
"""Names and values that samples are grouped and found by; at most 22, as Grafana's synthetic monitoring has it."""

ConditionText = Annotated[str, Field(min_length=3, max_length=500, examples=["[STATUS] == 200"])]


class TargetModel(BaseModel):
    """What every target has in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    labels: Labels = Field(default_factory=dict)
    timeout: Annotated[Duration, Field(ge=timedelta(milliseconds=10), le=timedelta(minutes=5))] = timedelta(seconds=10)
    retries: Annotated[int, Field(ge=0, le=5)] = 0
    """How often a collection that found the target down is tried again before it counts."""
    conditions: Annotated[list[ConditionText], Field(max_length=50)] = Field(default_factory=list)
    """Each must hold, or the target is `down`."""
    degraded_conditions: Annotated[list[ConditionText], Field(max_length=50)] = Field(default_factory=list)
    """Each should hold, or the target is `degraded`."""


class HttpTarget(TargetModel):
    """An HTTP or HTTPS address."""

    kind: Literal["http"]
    url: Annotated[str, Field(min_length=8, max_length=4096)]
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    headers: Annotated[dict[str, SecretStr], Field(max_length=50)] = Field(default_factory=dict)
    body: Annotated[str | None, Field(max_length=100_000)] = None
    follow_redirects: bool = True
    verify_tls: bool = True
    http2: bool = True


class DatabaseTarget(TargetModel):
    """A database and, if given, a query whose first value and rows conditions may speak of."""

    kind: Literal["database"]
    dsn: SecretStr
    query: Annotated[str | None, Field(min_length=1, max_length=10_000)] = None
    max_rows: Annotated[int, Field(ge=1, le=10_000)] = 100


class FileTarget(TargetModel):
    """A file on the worker's own machine, below one of `TOCSIN_FILE_ROOTS`."""

    kind: Literal["file"]
    path: Annotated[str, Field(min_length=1, max_length=4096)]
    checksum: bool = False
    pattern: Annotated[str | None, Field(max_length=1000)] = None
    """A regular expression; new lines matching it since the last collection are counted."""


Target = Annotated[HttpTarget | DatabaseTarget | FileTarget, Field(discriminator="kind")]

TARGET_KINDS = ("http", "database", "file")
