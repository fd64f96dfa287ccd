"""Errors sent to Sentry, or what speaks its protocol; imported only when a DSN is configured.

Its integrations stay off. They would send requests, arguments and local variables, among which are targets, headers
and secrets; and the one for ARQ hooks into `create_worker`, which cannot make our worker.
"""

from collections.abc import Mapping

import sentry_sdk
from sentry_sdk.types import Event, Hint

CLOSE_SECONDS = 2.0
QUEUE_EVENTS = 50


class SentryReporter:
    """Reports by the SDK's background thread, whose queue is bounded; what cannot be sent is dropped.

    Raises:
        ValueError: the DSN is none.
    """

    def __init__(self, dsn: str, *, service: str, version: str, instance: str) -> None:
        sentry_sdk.init(
            dsn,
            release=f"tocsin@{version}",
            server_name=instance,
            default_integrations=False,
            auto_enabling_integrations=False,
            auto_session_tracking=False,
            include_local_variables=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            transport_queue_size=QUEUE_EVENTS,
            shutdown_timeout=CLOSE_SECONDS,
            before_send=without_messages,
        )
        sentry_sdk.set_tag("service", service)

    def report(self, error: BaseException, tags: Mapping[str, str]) -> None:
        """Tell of an error."""
        with sentry_sdk.new_scope() as scope:
            scope.set_tags(tags)
            scope.capture_exception(error)

    def close(self) -> None:
        """Tell what is left, for a few seconds at most."""
        sentry_sdk.get_client().close(timeout=CLOSE_SECONDS)


def without_messages(event: Event, _: Hint) -> Event:
    """Leave each error's type and traceback only: its message may quote what a target answered, or a DSN."""
    for error in event.get("exception", {}).get("values", []):
        error["value"] = ""
    return event
