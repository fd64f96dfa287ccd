"""Each way a transfer fails has a name, a sentence and somebody to blame."""

import errno

import pycurl
import pytest

from shared.domain.target.observation import Blame
from shared.transport.curl_faults import LATE_MS, Failure, classify


def failure(code: int, *, said: str = "", number: int = 0, late_ms: float = 0.0) -> Failure:
    return Failure(code, said, number, late_ms, "connecting")


@pytest.mark.parametrize(
    ("given", "name", "blame"),
    [
        (failure(pycurl.E_OPERATION_TIMEDOUT), "timeout", Blame.TARGET),
        (failure(pycurl.E_OPERATION_TIMEDOUT, late_ms=LATE_MS + 1), "overloaded", Blame.OURS),
        (failure(pycurl.E_COULDNT_CONNECT, number=errno.ECONNREFUSED), "connection_refused", Blame.TARGET),
        (failure(pycurl.E_COULDNT_CONNECT, number=errno.ENETUNREACH), "network_unreachable", Blame.OURS),
        (failure(pycurl.E_COULDNT_CONNECT, number=errno.EADDRNOTAVAIL), "internal", Blame.OURS),
        (failure(pycurl.E_RECV_ERROR, number=errno.ECONNRESET), "connection_lost", Blame.TARGET),
        (failure(pycurl.E_RECV_ERROR, said="bad chunk"), "protocol_error", Blame.TARGET),
        (failure(pycurl.E_SEND_ERROR, number=errno.EPIPE), "connection_lost", Blame.TARGET),
        (failure(pycurl.E_SEND_ERROR, number=errno.ENOBUFS), "internal", Blame.OURS),
        (failure(pycurl.E_PEER_FAILED_VERIFICATION), "tls_invalid", Blame.TARGET),
        (failure(pycurl.E_SSL_CONNECT_ERROR), "tls_failed", Blame.TARGET),
        (failure(pycurl.E_SSL_CACERT_BADFILE), "internal", Blame.OURS),
        (failure(pycurl.E_OUT_OF_MEMORY), "internal", Blame.OURS),
        (failure(9999), "internal", Blame.OURS),
    ],
)
def test_a_failure_is_named_and_blamed(given: Failure, name: str, blame: Blame) -> None:
    """What we do not know is our own trouble: nobody is called down for it."""
    fault = classify(given, place="shop.example")
    assert (fault.code, fault.blame) == (name, blame)


def test_what_libcurl_says_is_shown_plainly() -> None:
    """Cut, without control characters and without its own function's name."""
    fault = classify(
        failure(pycurl.E_PEER_FAILED_VERIFICATION, said="SSL certificate problem: bad\0 \x1b[1m" + "x" * 500), place="x"
    )
    assert fault.message.startswith("x: bad [1mxxx")
    assert len(fault.message) < 250
