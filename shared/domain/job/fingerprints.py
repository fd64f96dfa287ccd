"""Failures that are the same but for their numbers and names get the same fingerprint, so that they can be counted."""

import hashlib
import re

from shared.domain.job.jobs import Failure, JobKind

FINGERPRINT = r"[0-9a-f]{16}"
MAX_CHARACTERS = 2_000
"""Of a message; what lies beyond does not tell failures apart."""

_VARIABLE = re.compile(
    r"""
    (?P<kept>\banswered\ \d{3}\b)                                  # a status tells different failures apart
    | [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12} # a UUID
    | "[^"]*" | '[^']*'                                            # what is quoted
    | [^\s@,<>]+@[^\s@,<>]+                                        # an address of e-mail
    | \[?(?:[0-9a-f]{1,4})?(?:::?[0-9a-f]{1,4}){2,}(?:::)?\]?      # an IPv6 address
    | \b(?=\w*\d\w*\d)\w{8,}\b | \b0x[0-9a-f]+\b                   # a server's own ids, addresses of memory, hashes
    | \d+(?:[.:]\d+)*                                              # numbers, versions, moments, IPv4 addresses
    """,
    re.IGNORECASE | re.VERBOSE,
)
_LIST = re.compile(r"\*(?:,\s*\*)+")


def fingerprint_of(kind: JobKind, failure: Failure) -> str:
    """Sixteen hexadecimal digits that stand for this kind of failure of this kind of job.

    The host stays part of it, since the same words of another server are another trouble; its port does not.
    """
    shape = _LIST.sub("*", _VARIABLE.sub(_shape_of, failure.message[:MAX_CHARACTERS]))
    return hashlib.sha256(f"{kind.value}\n{failure.code}\n{shape}".encode(errors="replace")).hexdigest()[:16]


def _shape_of(found: re.Match[str]) -> str:
    return found["kept"] or "*"
