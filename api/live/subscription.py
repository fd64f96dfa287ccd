"""One watcher's share of the events: what it missed first, then what is new, in a queue that is bounded."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from api.live.told import Bundle, Place, Told, tell
from shared.domain.live_filters import LiveFilter
from shared.live_events.reader import Entry
from shared.services.monitor.monitor_directory import MonitorDirectory

MAX_QUEUED_EVENTS = 5_000
MAX_QUEUED_BYTES = 1024 * 1024
"""A watcher that is this far behind is cut; it comes back with the id of its last event and misses nothing."""

ENTRIES_AT_ONCE = 20
"""How much of the past is looked through before others have their turn."""


class Subscription:
    """Holds what one watcher is still to be sent.

    `bell` is set when there is something, or all is over; `on_cut` is called when the watcher is too far behind, since
    it may be in the middle of a write that does not come to an end.
    """

    def __init__(
        self, wanted: LiveFilter, *, bell: asyncio.Event, on_cut: Callable[[], None], directory: MonitorDirectory
    ) -> None:
        self.wanted = wanted
        self.is_cut = False
        self._bell = bell
        self._on_cut = on_cut
        self._directory = directory
        self._missed: Iterator[Bundle] | None = None
        self._queue: deque[Bundle] = deque()
        self._events = 0
        self._bytes = 0

    def catch_up(self, first: Bundle, entries: Sequence[Entry], *, after: Place) -> None:
        """Begin with `first` and what these entries tell after a place."""
        self._missed = chain((first,), self._look_through(entries, after))

    def wants(self, told: Told) -> bool:
        """Whether the event is let through by the filter."""
        if told.event is None:
            return True
        facts = self._directory.find(told.subject) if self.wanted.needs_facts else None
        return self.wanted.lets_through(told.event, facts)

    def push(self, bundle: Bundle) -> None:
        """Add new events, or cut the watcher when it is too far behind."""
        self._events += len(bundle.events)
        self._bytes += bundle.size
        if self.is_cut:
            return
        if self._events > MAX_QUEUED_EVENTS or self._bytes > MAX_QUEUED_BYTES:
            self.is_cut = True
            self._queue.clear()
            self._on_cut()
        else:
            self._queue.append(bundle)
        self._bell.set()

    def wake(self) -> None:
        """Let the watcher look around."""
        self._bell.set()

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to send, and nothing to look through."""
        return self._missed is None and not self._queue

    def take(self) -> Bundle | None:
        """The next events, perhaps none of them wanted; None when there is nothing for now."""
        if self._missed is not None:
            missed = next(self._missed, None)
            if missed is not None:
                return missed
            self._missed = None
        if not self._queue:
            return None
        bundle = self._queue.popleft()
        self._events -= len(bundle.events)
        self._bytes -= bundle.size
        return bundle

    def _look_through(self, entries: Sequence[Entry], after: Place) -> Iterator[Bundle]:
        for start in range(0, len(entries), ENTRIES_AT_ONCE):
            part = entries[start : start + ENTRIES_AT_ONCE]
            found = [told for entry in part for told in tell(entry) if told.place > after and self.wants(told)]
            yield Bundle(found)
