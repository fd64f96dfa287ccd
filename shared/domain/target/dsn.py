"""The address of a database, read from a DSN without touching anything of the machine it is read on.

Drivers' own parsers take files and environment variables into account (`passfile`, `sslrootcert`, `PGPASSWORD`); a DSN
given by a user must not, so only what is listed here is understood.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import parse_qsl, quote, unquote, urlsplit

DEFAULT_PORTS: Mapping[str, int] = MappingProxyType({"postgresql": 5432})
"""The kinds of database known, by scheme; a driver joins here and in the collector's registry."""

_ALIASES: Mapping[str, str] = MappingProxyType({"postgres": "postgresql"})
_DEFAULT_USERS: Mapping[str, str] = MappingProxyType({"postgresql": "postgres"})
TLS_MODES = ("disable", "prefer", "require", "verify-full")
_PARAMETERS = ("host", "port", "user", "password", "dbname", "sslmode")


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where a database is and who asks; `host` is a directory when it is reached by a Unix socket."""

    scheme: str
    host: str
    port: int
    user: str
    database: str
    password: str = field(default="", repr=False)
    tls: str = "prefer"

    @property
    def is_local_socket(self) -> bool:
        """Whether it is reached by a Unix socket of the worker's machine."""
        return self.host.startswith("/")

    def __str__(self) -> str:
        """The DSN without its password."""
        user, database = quote(self.user, safe=""), quote(self.database, safe="")
        if self.is_local_socket:
            return f"{self.scheme}://{user}@/{database}?host={quote(self.host, safe='/')}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{user}@{host}{port}/{database}"


def parse_dsn(dsn: str) -> DatabaseAddress:
    """Read `postgresql://user:password@host:5432/database?sslmode=require`, or `…@/database?host=/directory`.

    Raises:
        ValueError: with a sentence that holds nothing of the password.
    """
    try:
        parts = urlsplit(dsn)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("the DSN cannot be read; write postgresql://user:password@host:5432/database") from None
    scheme = _ALIASES.get(parts.scheme, parts.scheme)
    if scheme not in DEFAULT_PORTS:
        raise ValueError(f"the DSN's scheme is not known; known are {', '.join(DEFAULT_PORTS)}")
    given = _read_parameters(parts.query)
    user = unquote(parts.username or "") or given.get("user") or _DEFAULT_USERS[scheme]
    return DatabaseAddress(
        scheme=scheme,
        host=_read_host(unquote(host or "") or given.get("host", "")),
        port=port or _read_port(given.get("port", str(DEFAULT_PORTS[scheme]))),
        user=user,
        database=unquote(parts.path.lstrip("/")) or given.get("dbname") or user,
        password=unquote(parts.password or "") or given.get("password", ""),
        tls=_read_tls(given.get("sslmode", "prefer")),
    )


def _read_parameters(query: str) -> dict[str, str]:
    given = dict(parse_qsl(query, keep_blank_values=True))
    if not set(given) <= set(_PARAMETERS):
        # Which one is not said: behind a "?" in a badly quoted password stands the rest of the password.
        raise ValueError(f"the DSN has a parameter that is not supported; supported are {', '.join(_PARAMETERS)}")
    return given


def _read_host(host: str) -> str:
    if not host:
        raise ValueError("the DSN names no host; write postgresql://user:password@host:5432/database")
    if "," in host:
        raise ValueError("the DSN names several hosts; collect each of them as a target of its own")
    if "\x00" in host:
        raise ValueError("the DSN's host holds a NUL character")
    return host if host.startswith("/") else host.lower()


def _read_port(port: str) -> int:
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 1 << 16):
        raise ValueError("the DSN's port is a number from 1 to 65535")
    return int(port)


def _read_tls(mode: str) -> str:
    if mode not in TLS_MODES:
        raise ValueError(f"the DSN's sslmode is one of {', '.join(TLS_MODES)}")
    return mode
