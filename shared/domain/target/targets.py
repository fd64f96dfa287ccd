"""What can be collected: one frozen model a kind, told apart by `kind`."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from shared.domain.durations import Duration
from shared.domain.forms import LABEL_NAME, PRINTABLE
from shared.domain.numbers import WHOLE
from shared.domain.secret.secret_references import is_misspelt, names_in
from shared.domain.target.condition_parser import parse_condition
from shared.domain.target.conditions import ConditionSyntaxError
from shared.domain.target.dsn import parse_dsn
from shared.domain.target.patterns import compile_pattern

LabelName = Annotated[str, Field(pattern=LABEL_NAME)]
LabelValue = Annotated[str, Field(max_length=200, pattern=PRINTABLE)]
Labels = Annotated[dict[LabelName, LabelValue], Field(max_length=22)]
"""Names and values that samples are grouped and found by; at most 22, as Grafana's synthetic monitoring has it."""

ConditionText = Annotated[str, Field(min_length=3, max_length=500, examples=["[STATUS] == 200"])]


FILLED_FIELDS = frozenset({"url", "dsn", "headers", "body"})
"""The fields in which `{{secret:NAME}}` is replaced by the secret; every other one is shown, or kept, as it is."""


def _check_dsn(dsn: SecretStr) -> SecretStr:
    text = dsn.get_secret_value()
    if names_in(text) != names_in(parse_dsn(text).password):
        raise ValueError("a reference to a secret can stand in the DSN's password only")
    return dsn


def _check_url(url: str) -> str:
    if "{{secret:" in url and names_in(_host_of(url)):
        raise ValueError("a reference to a secret can stand behind the host only, or in user and password")
    return url


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return url


def _check_pattern(pattern: str) -> str:
    compile_pattern(pattern)
    return pattern


Dsn = Annotated[SecretStr, Field(max_length=4096), AfterValidator(_check_dsn)]
Url = Annotated[str, Field(min_length=8, max_length=4096), AfterValidator(_check_url)]
Pattern = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_check_pattern)]


class TargetModel(BaseModel):
    """What every target has in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    OPTION_OF: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """The field without which a placeholder has no value."""

    labels: Labels = Field(default_factory=dict)
    timeout: Annotated[Duration, Field(ge=timedelta(milliseconds=10), le=timedelta(minutes=5))] = timedelta(seconds=10)
    retries: Annotated[int, Field(ge=0, le=5), WHOLE] = 0
    """How often a collection that found the target down is tried again before it counts."""
    conditions: Annotated[list[ConditionText], Field(max_length=50)] = Field(default_factory=list)
    """Each must hold, or the target is `down`."""
    degraded_conditions: Annotated[list[ConditionText], Field(max_length=50)] = Field(default_factory=list)
    """Each should hold, or the target is `degraded`."""

    _shown_as: str | None = PrivateAttr(default=None)

    @property
    def shown_as(self) -> str | None:
        """The name people are shown, of a target whose references were filled in; else it follows from the address."""
        return self._shown_as

    def named(self, name: str) -> Self:
        """This target, from now on shown as `name`: for one that has just been filled in."""
        self._shown_as = name
        return self

    @field_validator("conditions", "degraded_conditions")
    @classmethod
    def check_syntax(cls, conditions: list[str]) -> list[str]:
        """Refuse what cannot be read, with the condition's index and the offset of the character."""
        (kind,) = get_args(cls.model_fields["kind"].annotation)
        for index, text in enumerate(conditions):
            try:
                parse_condition(text, kind)
            except ConditionSyntaxError as error:
                raise PydanticCustomError(
                    "condition_syntax",
                    "condition {number}, character {character}: {reason}",
                    {
                        "number": index + 1,
                        "character": error.position + 1,
                        "reason": error.message,
                        "index": index,
                        "position": error.position,
                    },
                ) from error
        return conditions

    @model_validator(mode="after")
    def check_options(self) -> Self:
        """Refuse a condition on what the target does not ask for: it could never hold, and nobody would be down."""
        for placeholder, option in self.OPTION_OF.items():
            is_named = any(f"[{placeholder}]" in text for text in (*self.conditions, *self.degraded_conditions))
            if is_named and not getattr(self, option):
                raise PydanticCustomError(
                    "condition_option",
                    "a condition speaks of [{placeholder}], which needs the field {option}",
                    {"placeholder": placeholder, "option": option},
                )
        return self

    @model_validator(mode="after")
    def check_references(self) -> Self:
        """Refuse a reference to a secret that would be sent, or shown, as it stands."""
        for field, value in self.__dict__.items():
            text = _text_of(value)
            if "{{secret:" not in text:
                continue
            if field not in FILLED_FIELDS:
                raise PydanticCustomError(
                    "reference_place",
                    "a reference to a secret cannot stand in {field}; it can in {fields}",
                    {"field": field, "fields": ", ".join(sorted(FILLED_FIELDS))},
                )
            if is_misspelt(text):
                raise PydanticCustomError(
                    "reference_syntax",
                    "a reference to a secret is misspelt in {field}; write {example} with letters, digits and _",
                    {"field": field, "example": "{{secret:NAME}}"},
                )
        return self


def _text_of(value: object) -> str:
    """All text in a field."""
    if isinstance(value, str):
        return value
    if not value or isinstance(value, bool | int | timedelta):
        return ""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return "\n".join(map(_text_of, value.values()))
    return "\n".join(value) if isinstance(value, list) else ""


class HttpTarget(TargetModel):
    """An HTTP or HTTPS address."""

    kind: Literal["http"]
    url: Url
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    headers: Annotated[dict[str, SecretStr], Field(max_length=50)] = Field(default_factory=dict)
    body: Annotated[str | None, Field(max_length=100_000)] = None
    follow_redirects: bool = True
    verify_tls: bool = True
    http2: bool = True


class DatabaseTarget(TargetModel):
    """A database and, if given, a query whose first value and rows conditions may speak of."""

    OPTION_OF: ClassVar[Mapping[str, str]] = MappingProxyType({"VALUE": "query", "ROWS": "query", "ROW": "query"})

    kind: Literal["database"]
    dsn: Dsn
    query: Annotated[str | None, Field(min_length=1, max_length=10_000)] = None
    max_rows: Annotated[int, Field(ge=1, le=10_000), WHOLE] = 100


class FileTarget(TargetModel):
    """A file on the worker's own machine, below one of `TOCSIN_FILE_ROOTS`."""

    OPTION_OF: ClassVar[Mapping[str, str]] = MappingProxyType({"MATCHES": "pattern", "CHECKSUM": "checksum"})

    kind: Literal["file"]
    path: Annotated[str, Field(min_length=1, max_length=4096)]
    checksum: bool = False
    pattern: Pattern | None = None
    """A regular expression (without look-around and back-references); new lines matching it since the last collection
    are counted."""


Target = Annotated[HttpTarget | DatabaseTarget | FileTarget, Field(discriminator="kind")]

TARGET_KINDS = ("http", "database", "file")
