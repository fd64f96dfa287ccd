"""What is asked for when a job is submitted, and what comes of it."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from shared.domain.job.jobs import Job, NewJob


class OnConflict(StrEnum):
    """What becomes of a job whose unique key another one holds."""

    RETURN = "return"
    """The other one is answered as if it had just been submitted."""
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Idempotency:
    """The key a client sent, and the SHA-256 of method, path and canonical body it sent it with."""

    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Submission:
    """A job to make, once per idempotency key."""

    job: NewJob
    idempotency: Idempotency | None = None
    on_conflict: OnConflict = OnConflict.RETURN


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job stands in the database.

    `is_replayed` when an earlier request with the same key made it, `is_deduplicated` when it holds the unique key.
    """

    job: Job
    is_replayed: bool = False
    is_deduplicated: bool = False


@dataclass(frozen=True, slots=True)
class KeyReused:
    """The key stands for another request; nothing was made."""

    key: str


@dataclass(frozen=True, slots=True)
class UniqueKeyTaken:
    """A job that has not ended holds the unique key; nothing was made."""

    holder_id: UUID


@dataclass(frozen=True, slots=True)
class ParentUnknown:
    """There is no such job to be the child of; nothing was made."""

    parent_id: UUID


Refused = KeyReused | UniqueKeyTaken | ParentUnknown
SubmissionResult = Accepted | Refused
