"""Channels of services that have an interface of their own: Apprise for most, Alertmanager, PagerDuty, Slack."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, WithJsonSchema, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

MAX_APPRISE_URLS = 20
MAX_URL = 2048
PAGERDUTY_URL = "https://events.pagerduty.com"
SLACK_API_URL = "https://slack.com/api"

# White space and controls by name, in which dialects of regular expressions differ; no user, no query, no fragment.
_PLAIN_URL = r"^https?://[^\x00-\x20\x7f-\x9f/?#@\ufeff]+(/[^\x00-\x20\x7f-\x9f?#@\ufeff]*)?$"
_HOOK_PATTERN = r"^https?://[^\x00-\x20\x7f-\x9f/?#@\ufeff]+/[^\x00-\x20\x7f-\x9f#\ufeff]*$"
_APPRISE_URL = re.compile("(?i)([a-z][a-z0-9+.-]{1,30})://.{0,2000}", re.DOTALL)
LOCAL_SERVICES = frozenset({"syslog", "dbus", "kde", "qt", "glib", "gio", "gnome", "macosx", "windows", "wsl"})
"""Services of Apprise that speak to the machine that they run on: here, to a worker."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


def _check_apprise_url(url: SecretStr) -> SecretStr:
    found = _APPRISE_URL.fullmatch(url.get_secret_value())
    if found is None:
        raise PydanticCustomError("apprise_url", "write an address of Apprise, such as discord://id/token")
    if found.group(1).lower() in LOCAL_SERVICES:
        raise PydanticCustomError("apprise_url", "this service is the worker's own machine, which is not told")
    return url


def _check_hook_url(url: SecretStr) -> SecretStr:
    if len(url) > MAX_URL or re.fullmatch(_HOOK_PATTERN, url.get_secret_value()) is None:
        raise PydanticCustomError("hook_url", "write an address such as https://hooks.slack.com/services/…")
    return url


def _shape(given: tuple[str, ...], absent: tuple[str, ...]) -> JsonDict:
    """A schema of objects that have these fields and not those."""
    are_given: JsonDict = {name: {"type": "string"} for name in given}
    are_absent: JsonDict = {name: {"type": "null"} for name in absent}
    return {"required": list(given), "properties": are_given | are_absent}


AppriseUrl = Annotated[
    SecretStr,
    AfterValidator(_check_apprise_url),
    WithJsonSchema({"type": "string", "format": "apprise-url", "writeOnly": True, "examples": ["discord://id/token"]}),
]
_HookUrl = Annotated[
    SecretStr,
    AfterValidator(_check_hook_url),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": _HOOK_PATTERN,
            "maxLength": MAX_URL,
            "writeOnly": True,
            "examples": ["https://hooks.slack.com/services/T0/B0/x"],
        }
    ),
]
PlainUrl = Annotated[str, Field(min_length=8, max_length=MAX_URL, pattern=_PLAIN_URL)]


class AppriseChannel(_Model):
    """Services that are told by the library Apprise; all of its addresses are secrets."""

    kind: Literal["apprise"]
    urls: Annotated[
        list[AppriseUrl],
        Field(
            min_length=1, max_length=MAX_APPRISE_URLS, description="Each is told; when one fails, all are told again."
        ),
    ]


_CREDENTIALS: JsonDict = {
    "oneOf": [
        _shape((), ("token", "username", "password")),
        _shape(("token",), ("username", "password")),
        _shape(("username", "password"), ("token",)),
    ]
}
_SLACK_WAYS: JsonDict = {
    "oneOf": [_shape(("webhook_url",), ("token", "channel")), _shape(("token", "channel"), ("webhook_url",))]
}


class AlertmanagerChannel(_Model):
    """An Alertmanager that gets alerts by its API v2, as from a Prometheus."""

    model_config = ConfigDict(json_schema_extra=_CREDENTIALS)

    kind: Literal["alertmanager"]
    url: Annotated[
        PlainUrl,
        Field(
            description="Its address with its path prefix; `/api/v2/alerts` is added.",
            examples=["https://alertmanager.example"],
        ),
    ]
    token: Annotated[SecretStr | None, Field(min_length=1, max_length=4096, description="Sent as a bearer token.")] = (
        None
    )
    username: Annotated[
        Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f:]+$")] | None,
        Field(description="With `password`, sent as basic authentication."),
    ] = None
    password: Annotated[SecretStr | None, Field(min_length=1, max_length=4096)] = None

    @model_validator(mode="after")
    def _has_one_credential(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise PydanticCustomError("credentials", "username and password go together")
        if self.token is not None and self.username is not None:
            raise PydanticCustomError("credentials", "give token, or username and password, not both")
        return self


class PagerDutyChannel(_Model):
    """A service of PagerDuty, told by the Events API v2."""

    kind: Literal["pagerduty"]
    routing_key: Annotated[
        SecretStr,
        Field(min_length=1, max_length=200, description="The key of an Events API v2 integration."),
    ]
    url: Annotated[
        PlainUrl, Field(description="Where events are sent; https://events.eu.pagerduty.com for the EU's region.")
    ] = PAGERDUTY_URL


class SlackChannel(_Model):
    """A channel of Slack: by a token of an app, which updates its messages in place, or by an incoming webhook."""

    model_config = ConfigDict(json_schema_extra=_SLACK_WAYS)

    kind: Literal["slack"]
    webhook_url: Annotated[_HookUrl | None, Field(description="The address of an incoming webhook.")] = None
    token: Annotated[
        SecretStr | None,
        Field(min_length=1, max_length=4096, description="A bot's token, `xoxb-…`, with the right `chat:write`."),
    ] = None
    channel: Annotated[
        Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x20\x7f]+$")] | None,
        Field(description="With a token: the channel's id, such as `C0123456789`, or its name."),
    ] = None
    api_url: Annotated[PlainUrl, Field(description="Slack's API; https://slack-gov.com/api for GovSlack.")] = (
        SLACK_API_URL
    )

    @model_validator(mode="after")
    def _is_one_way(self) -> Self:
        if (self.webhook_url is None) == (self.token is None):
            raise PydanticCustomError("slack", "give webhook_url, or token and channel")
        if (self.token is None) != (self.channel is None):
            raise PydanticCustomError("slack", "token and channel go together")
        return self
