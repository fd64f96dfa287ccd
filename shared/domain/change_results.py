"""What comes of a change that is asked for of what people keep by name: a monitor, a rule, a channel."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Made:
    """There is a new one."""

    item_id: UUID


@dataclass(frozen=True, slots=True)
class Changed:
    """It is another one now."""

    item_id: UUID


@dataclass(frozen=True, slots=True)
class Unchanged:
    """It was as it should be; nothing was written."""

    item_id: UUID


@dataclass(frozen=True, slots=True)
class Deleted:
    """It is gone."""

    item_id: UUID


Done = Made | Changed | Unchanged | Deleted


@dataclass(frozen=True, slots=True)
class UnknownId:
    """There is none of this id."""


@dataclass(frozen=True, slots=True)
class NameTaken:
    """Another one has this name."""

    holder_id: UUID


@dataclass(frozen=True, slots=True)
class VersionDiffers:
    """It is not of a version it was asked to be of."""

    version: int


@dataclass(frozen=True, slots=True)
class TooMany:
    """There would be more than may be."""


@dataclass(frozen=True, slots=True)
class CannotSeal:
    """There are secrets and no key, or not the key that sealed what is kept; `message` says what to set."""

    message: str


NotDone = UnknownId | NameTaken | VersionDiffers | TooMany
"""What a change of any of them may be refused for; what else, its own module says."""
