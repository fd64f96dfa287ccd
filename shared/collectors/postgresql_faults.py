"""What PostgreSQL's errors mean: a named code, a sentence without the password, and whose fault it is.

The line between `down` and `error`: a server that answers and refuses (the password, a missing table, too many
connections) is not in the state the check asks for, so it is `down`. A query that Tocsin refuses to run, or that no
server could read, says nothing of the database: that is the configuration, so it is `error`.
"""

import re
import ssl
from collections.abc import Sequence

import asyncpg

from shared.domain.secret.masking import MASK
from shared.domain.target.dsn import DatabaseAddress
from shared.domain.target.observation import Blame, Fault
from shared.transport.dialling import dial_fault

_MESSAGE_CHARACTERS = 300
_QUERY_WORDS = re.compile(
    r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/|\()*(select|with|values|table)\b", re.IGNORECASE | re.DOTALL
)

_READ_ONLY_SQLSTATE = "25006"
_SYNTAX_SQLSTATES = ("42601", "42P02", "42P18")
_NOT_A_CURSOR_SQLSTATE = "0A000"

_CODES: Sequence[tuple[str, str]] = (
    ("28", "authentication_failed"),
    ("3D000", "database_missing"),
    ("53300", "too_many_connections"),
    ("57P03", "not_ready"),
    ("57P05", "timeout"),
    ("57P", "connection_lost"),
    ("57014", "timeout"),
    ("25P03", "timeout"),
    ("55P03", "lock_timeout"),
    ("08", "connection_lost"),
    ("53", "out_of_resources"),
)
"""Codes by the beginning of the SQLSTATE, the first that fits; everything else is `query_failed`."""


def find_refusal(error: Exception, query: str | None) -> Fault | None:
    """The fault of a query that is not run because it does not merely read, or that cannot be read."""
    if query is None:
        return None
    if isinstance(error, asyncpg.InterfaceError) and "argument" in str(error):
        return Fault("query_invalid", "the query has parameters such as $1; write their values", Blame.OURS)
    state = getattr(error, "sqlstate", None)
    if state == _READ_ONLY_SQLSTATE or (state == _NOT_A_CURSOR_SQLSTATE and "DECLARE CURSOR" in str(error)):
        return Fault("query_refused", f"the query writes, and Tocsin only reads: {_cut(str(error))}", Blame.OURS)
    if state not in _SYNTAX_SQLSTATES:
        return None
    if _QUERY_WORDS.match(query):
        return Fault("query_invalid", f"the query cannot be read: {_cut(str(error))}", Blame.OURS)
    needed = "the query has to begin with SELECT, WITH, VALUES or TABLE"
    return Fault("query_refused", f"Tocsin only reads: {needed}", Blame.OURS)


def classify(error: Exception, address: DatabaseAddress, *, is_connected: bool) -> Fault:
    """Sort what went wrong between dialling and the last row."""
    where = address.host if address.is_local_socket else f"{address.host}:{address.port}"
    if isinstance(error, TimeoutError):
        return Fault("timeout", "the query took too long" if is_connected else f"{where} did not let us in in time")
    if isinstance(error, asyncpg.PostgresError):
        return _classify_refusal(error, address)
    if isinstance(error, ssl.SSLError):
        return Fault(
            "tls_invalid", f"TLS with {where} failed: {_cut(str(getattr(error, 'verify_message', '') or error.reason))}"
        )
    if isinstance(error, OSError):
        return _classify_network(error, where, is_connected=is_connected)
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError):
        return Fault("protocol_error", _mask(str(error), address))
    # What the driver stumbles over in an answer, such as a number out of range, came from the other side.
    return Fault("protocol_error", f"{where} sent what PostgreSQL would not ({type(error).__name__})")


def _classify_refusal(error: asyncpg.PostgresError, address: DatabaseAddress) -> Fault:
    state = getattr(error, "sqlstate", None) or ""
    code = next((code for beginning, code in _CODES if state.startswith(beginning)), "query_failed")
    return Fault(code, _mask(str(error), address))


def _classify_network(error: OSError, where: str, *, is_connected: bool) -> Fault:
    if isinstance(error, FileNotFoundError):
        return Fault("connection_refused", f"there is no socket in {where}")
    if "SSL upgrade" in str(error):
        return Fault("tls_refused", f"{where} does not speak TLS, which the DSN's sslmode requires")
    if is_connected or isinstance(error, ConnectionResetError | ConnectionAbortedError) or error.errno is None:
        return Fault("connection_lost", f"{where} closed the connection")
    return dial_fault(error.errno, where)


def _mask(text: str, address: DatabaseAddress) -> str:
    """The server's words; one that repeats the password at us must not make us tell it on."""
    return _cut(text.replace(address.password, MASK) if address.password else text)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MESSAGE_CHARACTERS else f"{line[: _MESSAGE_CHARACTERS - 1]}…"
