"""The options of one transfer of libcurl, all of them set anew for each."""

import re
from collections.abc import Mapping

import pycurl

from shared.domain.target.observation import Blame, Fault
from shared.transport.curl_transfer import Transfer
from shared.transport.http_exchange import HttpRequest
from shared.transport.urls import Location

USER_AGENT = "Tocsin/0.1"
_OWN_HEADERS = [f"User-Agent: {USER_AGENT}".encode()]
_PINNED_NAME = "pin.invalid"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_NEVER_IN_A_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def find_bad_header(headers: Mapping[str, str]) -> Fault | None:
    """The first header that would break out of its line (RFC 9110, 5), told without its value."""
    for name, value in headers.items():
        if not _TOKEN.match(name) or _NEVER_IN_A_VALUE.search(value):
            return Fault("invalid_header", f"the header {name[:40]!r} holds a character that none may hold", Blame.OURS)
    return None


def prepare(curl: pycurl.Curl, transfer: Transfer, request: HttpRequest, *, location: Location) -> None:
    """Set the options of one hop on a handle that was just reset; only where it dials is left to `pin`."""
    setopt = curl.setopt
    setopt(pycurl.URL, location.url)
    setopt(pycurl.PROXY, "")
    setopt(pycurl.NOSIGNAL, 1)
    setopt(pycurl.FRESH_CONNECT, 1)
    setopt(pycurl.FORBID_REUSE, 1)
    setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    setopt(pycurl.ACCEPT_ENCODING, "")
    setopt(pycurl.HEADERFUNCTION, transfer.lines.append)
    setopt(pycurl.WRITEFUNCTION, transfer.write)
    setopt(pycurl.OPENSOCKETFUNCTION, transfer.open_socket)
    setopt(pycurl.PREREQFUNCTION, transfer.before_request)
    setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS if request.http2 else pycurl.CURL_HTTP_VERSION_1_1)
    _set_method(curl, request)
    setopt(pycurl.HTTPHEADER, _header_lines(request))


def secure(curl: pycurl.Curl, *, verify: bool, ca_file: str | None) -> None:
    """Set the options of TLS; the certificate is told even when it is refused or not looked at."""
    curl.setopt(pycurl.OPT_CERTINFO, 1)
    curl.setopt(pycurl.SSL_SESSIONID_CACHE, 0)
    if not verify:
        curl.setopt(pycurl.SSL_VERIFYPEER, 0)
        curl.setopt(pycurl.SSL_VERIFYHOST, 0)
    elif ca_file is not None:
        curl.setopt(pycurl.CAINFO, ca_file)


def pin(curl: pycurl.Curl, addresses: tuple[str, ...], port: int, *, handle: int) -> None:
    """Dial these addresses and no others, whatever host libcurl reads in the URL.

    Several go in under a name of the handle's own, so that libcurl races them (RFC 8305) and no two handles share one.
    """
    if len(addresses) == 1:
        address = addresses[0]
        place = f"[{address}]" if ":" in address else address
        curl.setopt(pycurl.CONNECT_TO, [f"::{place}:{port}"])
        return
    listed = ",".join(f"[{address}]" if ":" in address else address for address in addresses)
    curl.setopt(pycurl.RESOLVE, [f"+h{handle}.{_PINNED_NAME}:{port}:{listed}"])
    curl.setopt(pycurl.CONNECT_TO, [f"::h{handle}.{_PINNED_NAME}:{port}"])


def _set_method(curl: pycurl.Curl, request: HttpRequest) -> None:
    if request.method == "HEAD":
        curl.setopt(pycurl.NOBODY, 1)
    elif request.body is not None or request.method in ("POST", "PUT", "PATCH"):
        curl.setopt(pycurl.POSTFIELDS, request.body or b"")
        curl.setopt(pycurl.CUSTOMREQUEST, request.method)
    elif request.method != "GET":
        curl.setopt(pycurl.CUSTOMREQUEST, request.method)


def _header_lines(request: HttpRequest) -> list[bytes]:
    """The headers as libcurl wants them: `name;` for an empty one, `name:` to leave out its own."""
    if not request.headers and request.body is None:
        return _OWN_HEADERS
    names = {name.lower() for name in request.headers}
    lines = [f"{name}: {value}" if value else f"{name};" for name, value in request.headers.items()]
    if "user-agent" not in names:
        lines.append(f"User-Agent: {USER_AGENT}")
    if request.body is not None:
        lines.append("Expect:")
        if "content-type" not in names:
            lines.append("Content-Type:")
    return [line.encode() for line in lines]
