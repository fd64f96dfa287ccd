"""What one transfer of libcurl measured and found."""

from datetime import UTC, datetime
from functools import lru_cache
from ssl import cert_time_to_seconds

import pycurl

from shared.domain.target.observation import Fault
from shared.transport.curl_faults import Failure, classify
from shared.transport.curl_transfer import Transfer
from shared.transport.dialling import blocked, dial_fault
from shared.transport.http_exchange import HttpAnswer
from shared.transport.progress import End, Phases, Progress
from shared.transport.urls import Location

_HTTP_VERSIONS = {1: "1.0", 2: "1.1", 3: "2", 30: "3"}


def conclude(
    curl: pycurl.Curl, transfer: Transfer, progress: Progress, *, location: Location, error: pycurl.error | None
) -> HttpAnswer | Fault:
    """Enter into the account what the transfer took, and read its answer or why there is none."""
    is_secure = location.scheme == "https"
    is_whole = error is None or transfer.is_truncated
    phases = read_phases(curl, is_secure=is_secure, is_answered=bool(transfer.lines), is_whole=is_whole)
    timeout_ms = progress.ms_left
    end = End(
        remote_address=curl.getinfo(pycurl.PRIMARY_IP) or None,
        certificate_expires_at=read_certificate_expiry(curl) if is_secure else None,
        status=curl.getinfo(pycurl.RESPONSE_CODE) or None,
    )
    progress.add_hop(phases, end)
    if error is None or transfer.is_truncated:
        return _read_answer(curl, transfer, progress)
    if error.args[0] == pycurl.E_COULDNT_CONNECT and transfer.denial is not None:
        return blocked(transfer.denial)
    if error.args[0] == pycurl.E_COULDNT_CONNECT and transfer.own_errno:
        return dial_fault(transfer.own_errno, location.shown)
    failure = Failure(
        code=error.args[0],
        said=str(error.args[1]),
        errno=curl.getinfo(pycurl.OS_ERRNO),
        late_ms=phases.total_ms - timeout_ms,
        stage=stage_of(phases, is_secure=is_secure, is_answered=bool(transfer.lines)),
    )
    return classify(failure, place=location.shown)


def _read_answer(curl: pycurl.Curl, transfer: Transfer, progress: Progress) -> HttpAnswer:
    return HttpAnswer(
        status=curl.getinfo(pycurl.RESPONSE_CODE),
        headers=transfer.headers(),
        body=transfer.body,
        is_truncated=transfer.is_truncated,
        http_version=_HTTP_VERSIONS.get(curl.getinfo(pycurl.INFO_HTTP_VERSION), ""),
        trace=progress.trace(),
    )


def stage_of(phases: Phases, *, is_secure: bool, is_answered: bool) -> str:
    """What the transfer was about when it ended."""
    if is_answered:
        return "reading the answer"
    if phases.connect_ms is None:
        return "connecting"
    return "the TLS handshake" if is_secure and phases.tls_ms is None else "waiting for the answer"


def read_phases(curl: pycurl.Curl, *, is_secure: bool, is_answered: bool, is_whole: bool) -> Phases:
    """Read the phases of a transfer that has ended; libcurl fills in later ones it did not reach, so they are told."""
    getinfo = curl.getinfo
    total, connected = getinfo(pycurl.TOTAL_TIME_T), getinfo(pycurl.CONNECT_TIME_T)
    secured = getinfo(pycurl.APPCONNECT_TIME_T) if is_secure else 0
    started = getinfo(pycurl.STARTTRANSFER_TIME_T)
    return Phases(
        total_ms=total / 1000,
        connect_ms=(connected - getinfo(pycurl.NAMELOOKUP_TIME_T)) / 1000 if connected else None,
        tls_ms=(secured - connected) / 1000 if secured else None,
        first_byte_ms=(started - getinfo(pycurl.PRETRANSFER_TIME_T)) / 1000 if is_answered else None,
        transfer_ms=(total - started) / 1000 if is_whole else None,
    )


def read_certificate_expiry(curl: pycurl.Curl) -> datetime | None:
    """When the leaf certificate ends, if one was shown."""
    chain: list[list[tuple[bytes, bytes]]] = curl.getinfo_raw(pycurl.INFO_CERTINFO)
    for name, value in chain[0] if chain else ():
        if name == b"Expire date":
            return _parse_expiry(value.decode("ascii", "replace"))
    return None


@lru_cache(maxsize=4096)
def _parse_expiry(text: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(cert_time_to_seconds(text), UTC)
    except (ValueError, OverflowError):
        return None
