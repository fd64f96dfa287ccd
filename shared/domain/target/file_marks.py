"""How far into a file was read the last time."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class FileMark:
    """What is remembered of a file between two looks.

    `inode` and `beginning` (SHA-256 of the file's first bytes up to `FINGERPRINT_BYTES`, in hexadecimal) tell whether
    it is still the same file; `offset` is behind the last whole line read; `size` is in bytes.
    """

    inode: int
    offset: int
    size: int
    beginning: str = ""


FINGERPRINT_BYTES = 256
"""How many of a file's first bytes tell it from another that took its place."""


class MarksUnavailableError(Exception):
    """What is remembered cannot be reached just now."""


class FileMarks(Protocol):
    """Where marks are kept, for one worker's machine; a key is at most 200 characters."""

    async def find(self, key: str) -> FileMark | None:
        """The mark, or None when the file was never looked at.

        Raises:
            MarksUnavailableError: it cannot be known just now.
        """
        ...

    async def keep(self, key: str, mark: FileMark) -> None:
        """Remember the mark.

        Raises:
            MarksUnavailableError: it cannot be remembered just now.
        """
        ...


class MarksInMemory:
    """Marks that end with the process, for a single look from a terminal and for tests."""

    def __init__(self) -> None:
        self._marks: dict[str, FileMark] = {}

    async def find(self, key: str) -> FileMark | None:
        """The mark, or None."""
        return self._marks.get(key)

    async def keep(self, key: str, mark: FileMark) -> None:
        """Remember until the process ends."""
        self._marks[key] = mark
