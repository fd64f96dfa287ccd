"""What a mail server's refusals mean: 4xx may pass, 5xx stays (RFC 5321, 4.2.1)."""

import ssl
from collections.abc import Mapping
from typing import Any

import aiosmtplib

from shared.domain.job.jobs import Failure
from shared.domain.secret.masking import MASK
from shared.domain.target.observation import Fault
from shared.notifiers.mail import MailServer

_PERMANENT = range(500, 600)
_SHOWN_CHARACTERS = 300

Refusals = Mapping[str, aiosmtplib.SMTPResponse]
Told = tuple[Failure | None, dict[str, Any]]


def classify_refusals(refused: Refusals | Fault, *, count: int) -> Told:
    """What becomes of a message of `count` recipients when the server refused some of them.

    One refused for now is tried again, though the others then get the message twice with one `Message-ID`: a doubled
    notice is better than a lost one. Those refused for good do not spoil the delivery to the others.
    """
    if isinstance(refused, Fault):
        is_permanent = refused.code in ("blocked_by_policy", "invalid_url")
        return Failure(refused.code, refused.message, is_permanent=is_permanent), {}
    detail = {"refused": {who: _told(answer.code, answer.message) for who, answer in refused.items()}}
    for_now = [who for who, answer in refused.items() if answer.code not in _PERMANENT]
    if for_now:
        return Failure("recipients_deferred", f"refused for now: {', '.join(for_now)}"), detail
    if len(refused) == count:
        return Failure("recipients_refused", "the server refused every recipient", is_permanent=True), detail
    return None, detail if refused else {}


def classify_error(error: Exception, server: MailServer) -> Told:
    """What an error of the conversation means; whatever the server said of us is told without the password."""
    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            answers = {each.recipient: aiosmtplib.SMTPResponse(each.code, each.message) for each in error.recipients}
            return classify_refusals(answers, count=len(answers))
        case aiosmtplib.SMTPResponseException():
            code = "login_refused" if isinstance(error, aiosmtplib.SMTPAuthenticationError) else "refused"
            said = _plain(_told(error.code, error.message), server)
            failure = Failure(code, f"{server.host} answered {said}", is_permanent=error.code in _PERMANENT)
            return failure, {"status": error.code}
        case aiosmtplib.SMTPNotSupported() | UnicodeError():
            said = _plain(str(error), server)
            return Failure("not_supported", f"{server.host} cannot take this message: {said}", is_permanent=True), {}
    is_certificate = isinstance(error.__cause__ or error, ssl.SSLCertVerificationError)
    code = "tls_invalid" if is_certificate else "connection_lost"
    return Failure(code, f"{server.host}: {_plain(str(error), server)}"), {}


def _told(code: int, message: str) -> str:
    return f"{code} {' '.join(message.split())}"[:_SHOWN_CHARACTERS].replace("\x00", "\ufffd")


def _plain(said: str, server: MailServer) -> str:
    for secret in (server.password, server.user):
        said = said.replace(secret, MASK) if secret else said
    return said[:_SHOWN_CHARACTERS]
