"""Failed jobs grouped by what they failed of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.domain.job.jobs import JobKind


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Failed jobs of one fingerprint.

    `count` is within the window, at least that many where `is_count_cut`; `first_seen_at` is over all that is kept.
    `code`, `message` and `job_id` are of the latest one.
    """

    fingerprint: str
    kind: JobKind
    code: str
    message: str
    job_id: UUID
    count: int
    is_count_cut: bool
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class GroupVersions:
    """Under which versions of the workers a group's failures happened, of a sample, each with how many.

    `before` are the versions that worked in the time right before the group was first seen.
    """

    versions: Mapping[str, int]
    before: frozenset[str]

    @property
    def only_since_version(self) -> str | None:
        """The one version that brought the failure, if all happened under it and another one worked before."""
        if len(self.versions) != 1 or not self.before:
            return None
        (version,) = self.versions
        return None if version in self.before else version
