"""Which notifier tells which kind of channel; a new kind joins here."""

from collections.abc import Mapping
from typing import Any

from shared.notifiers.alertmanager import AlertmanagerNotifier
from shared.notifiers.apprise import AppriseNotifier
from shared.notifiers.base import Notifier
from shared.notifiers.email import EmailNotifier
from shared.notifiers.pagerduty import PagerDutyNotifier
from shared.notifiers.posting import Poster
from shared.notifiers.slack import SlackNotifier
from shared.notifiers.webhook import WebhookNotifier
from shared.transport.curl import CurlClient
from shared.transport.dialling import Dialler


def build_notifiers(
    dialler: Dialler, curl: CurlClient, *, mail_from: str, smtp_url: str | None = None, ca_file: str | None = None
) -> Mapping[str, Notifier[Any]]:
    """The notifiers of one process; `dialler` and `curl` carry the egress policy of notifiers, not of collectors."""
    poster = Poster(curl)
    return {
        "webhook": WebhookNotifier(curl),
        "email": EmailNotifier(dialler, mail_from=mail_from, smtp_url=smtp_url, ca_file=ca_file),
        "apprise": AppriseNotifier(dialler.policy),
        "alertmanager": AlertmanagerNotifier(poster),
        "pagerduty": PagerDutyNotifier(poster),
        "slack": SlackNotifier(poster),
    }
