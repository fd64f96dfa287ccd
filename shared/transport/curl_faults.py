"""What libcurl's error codes mean, and whose fault each is."""

from dataclasses import dataclass

import pycurl

from shared.domain.target.observation import Blame, Fault
from shared.transport.dialling import dial_fault

LATE_MS = 100.0
"""A timeout noticed later than this was noticed late by us: our process was too busy to look at the connection."""

_SHOWN_CHARACTERS = 200
_HTTP2_STREAM = 92
_TOO_LARGE = 100


@dataclass(frozen=True, slots=True)
class Failure:
    """A transfer that libcurl gave up: its code and words, the last errno, how late after the timeout, during what."""

    code: int
    said: str
    errno: int
    late_ms: float
    stage: str


_LOST = frozenset({pycurl.E_RECV_ERROR, pycurl.E_SEND_ERROR})

_BROKEN_RULES = {
    pycurl.E_UNSUPPORTED_PROTOCOL: "answered in no version of HTTP that we know",
    pycurl.E_FTP_WEIRD_SERVER_REPLY: "answered with something that is not HTTP",
    pycurl.E_HTTP2: "broke the rules of HTTP/2",
    _HTTP2_STREAM: "broke off an HTTP/2 stream",
    pycurl.E_PARTIAL_FILE: "ended its answer before the length that it had announced",
    pycurl.E_BAD_CONTENT_ENCODING: "sent a body that cannot be inflated",
    pycurl.E_GOT_NOTHING: "closed the connection without an answer",
    _TOO_LARGE: "sent longer headers than are read",
    pycurl.E_RECV_ERROR: "sent something that cannot be read",
    pycurl.E_SEND_ERROR: "took no more of the request",
}
_TLS = {
    pycurl.E_PEER_FAILED_VERIFICATION: "tls_invalid",
    pycurl.E_SSL_ISSUER_ERROR: "tls_invalid",
    pycurl.E_SSL_INVALIDCERTSTATUS: "tls_invalid",
    pycurl.E_SSL_CONNECT_ERROR: "tls_failed",
}


def classify(failure: Failure, *, place: str) -> Fault:
    """Name what went wrong; `place` is how the message names the target."""
    code = failure.code
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return _classify_timeout(failure, place)
    if code == pycurl.E_COULDNT_CONNECT or (code in _LOST and failure.errno):
        return dial_fault(failure.errno, place)
    if code in _BROKEN_RULES:
        said = _plain(failure.said)
        return Fault("protocol_error", f"{place} {_BROKEN_RULES[code]}{said and f' ({said})'}")
    if code in _TLS:
        return Fault(_TLS[code], f"{place}: {_plain(failure.said)}")
    if code == pycurl.E_SSL_CACERT_BADFILE:
        return Fault("internal", "the file of certificate authorities cannot be read; set SSL_CERT_FILE", Blame.OURS)
    return Fault("internal", f"libcurl gave up on {place} with code {code}: {_plain(failure.said)}", Blame.OURS)


def _classify_timeout(failure: Failure, place: str) -> Fault:
    if failure.late_ms > LATE_MS:
        said = f"this process was too busy to watch {place} ({failure.late_ms:.0f} ms behind)"
        return Fault("overloaded", said, Blame.OURS)
    return Fault("timeout", f"{place}: {failure.stage} took longer than the timeout")


def _plain(said: str) -> str:
    """What libcurl said, without the prefix that names its own function."""
    plain = said.removeprefix("SSL certificate problem: ").removeprefix("SSL certificate OpenSSL verify result: ")
    return "".join(filter(str.isprintable, plain.removeprefix("SSL: ")))[:_SHOWN_CHARACTERS]
