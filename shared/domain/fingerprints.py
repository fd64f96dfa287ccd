"""Failures that are the same but for their numbers and names get the same fingerprint, so that they can be counted."""

import hashlib
import re

from shared.domain.jobs import Failure, JobKind

_VARIABLE = re.compile(
    r"""
    [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}   # a UUID
    | "[^"]*" | '[^']*'                                            # what is quoted
    | \b0x[0-9a-f]+\b | \b[0-9a-f]{16,}\b                         # addresses and hashes
    | \d+(?:[.:]\d+)*                                              # numbers, versions, moments, IPv4 addresses
    """,
    re.IGNORECASE | re.VERBOSE,
)


def fingerprint_of(kind: JobKind, failure: Failure) -> str:
    """Sixteen hexadecimal digits that stand for this kind of failure of this kind of job."""
    shape = _VARIABLE.sub("*", failure.message)
    return hashlib.sha256(f"{kind.value}\n{failure.code}\n{shape}".encode()).hexdigest()[:16]
