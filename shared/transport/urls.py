"""HTTP addresses taken apart strictly: what two parsers could read differently is refused."""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, urlsplit

import idna

from shared.domain.target.addresses import parse_address

DEFAULT_PORTS = {"http": 80, "https": 443}
_NEVER_IN_A_URL = re.compile(r"[\x00-\x20\x7f\\]")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62}\.)*[a-z0-9_-]{0,62}\.?\Z")
# Everything a URL may hold stays as it is; only characters beyond ASCII are encoded.
_SAFE = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True, slots=True)
class Location:
    """An HTTP address: `url` in ASCII as libcurl gets it, and where it leads. `host` is a name or a plain address.

    `place` is the host with a port that is not the usual one, `tail` the path and the query, both as in `url`.
    """

    url: str
    scheme: str
    host: str
    port: int
    place: str
    tail: str
    has_credentials: bool

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port (RFC 6454)."""
        return (self.scheme, self.host, self.port)

    @property
    def shown(self) -> str:
        """Host and port for messages, without anything secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def ascii_host(host: str) -> str:
    """The host as it is looked up or dialled: IDNA for names (UTS 46), plain notation for addresses, lower case.

    Raises:
        ValueError: it is neither a host name nor an address; the sentence says so.
    """
    try:
        name = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode()
    except (UnicodeError, idna.IDNAError) as error:
        raise ValueError(f'"{host[:80]}" is no host name') from error
    address = parse_address(name)
    if address is not None:
        return str(address)
    if not _HOST_NAME.match(name):
        raise ValueError(f'"{name[:80]}" is no host name')
    return name


@lru_cache(maxsize=16_384)
def parse_location(url: str) -> Location:
    """Read an absolute `http` or `https` address.

    Raises:
        ValueError: it is none; the sentence holds nothing of its user information or query.
    """
    if _NEVER_IN_A_URL.search(url):
        raise ValueError("the address holds a space, a backslash or a control character; encode it with %")
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise ValueError(f'the address begins with "{scheme[:20]}:"; it has to begin with http:// or https://')
    credentials, at, _ = parts.netloc.rpartition("@")
    if not parts.hostname or "@" in credentials or "%" in parts.hostname:
        raise ValueError("the address names no host after http:// or https://")
    host, port = ascii_host(parts.hostname), _port_of(parts.port, scheme)
    bracketed = f"[{host}]" if ":" in host else host
    place = bracketed if port == DEFAULT_PORTS[scheme] else f"{bracketed}:{port}"
    tail = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    tail = quote(tail, safe=_SAFE)
    url = f"{scheme}://{quote(credentials, safe=_SAFE)}{at}{place}{tail}"
    return Location(url, scheme, host, port, place=place, tail=tail, has_credentials=bool(at))


def _port_of(port: int | None, scheme: str) -> int:
    if port == 0:
        raise ValueError("port 0 cannot be dialled")
    return DEFAULT_PORTS[scheme] if port is None else port
