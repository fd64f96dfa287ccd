"""What was told lately, kept for those who come back."""

from collections import deque
from collections.abc import Iterable, Sequence

from api.live.told import Place
from shared.live_events.reader import Entry

MAX_ENTRIES = 10_000
MAX_BYTES = 16 * 1024 * 1024


class Past:
    """The newest entries of the stream, bounded by number and size; mirrors what Redis keeps."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._bytes = 0

    @property
    def newest(self) -> Place:
        """The place after all that is kept; there is always an entry once `refill` was called."""
        return Place(self._entries[-1].entry_id)

    def refill(self, entries: Iterable[Entry]) -> None:
        """Forget all and keep these, the newest last."""
        self._entries.clear()
        self._bytes = 0
        for entry in entries:
            self.append(entry)

    def append(self, entry: Entry) -> None:
        """Keep a new entry, and let the oldest go that are too many."""
        self._entries.append(entry)
        self._bytes += len(entry.body)
        while len(self._entries) > 1 and not _fits(len(self._entries), self._bytes):
            self._bytes -= len(self._entries.popleft().body)

    def after(self, place: Place) -> list[Entry] | str:
        """The entries from the place's own one on, or a reason of `RESET_REASONS` why events may be missing."""
        if place.entry_id < self._entries[0].entry_id:
            return "too_old"
        following: list[Entry] = []
        for entry in reversed(self._entries):
            if entry.entry_id < place.entry_id:
                break
            following.append(entry)
        if not following or following[-1].entry_id != place.entry_id:
            return "unknown"
        return following[::-1]


def wants_more(kept: Sequence[Entry]) -> bool:
    """Whether there is room for older entries than these."""
    return _fits(len(kept) + 1, sum(len(entry.body) for entry in kept))


def _fits(entries: int, size: int) -> bool:
    return entries <= MAX_ENTRIES and size <= MAX_BYTES
