"""The process's one ear on the live stream, and all who watch."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from api import problem_kinds
from api.live import past
from api.live.metrics import LiveMetrics
from api.live.past import Past
from api.live.subscription import Subscription
from api.live.told import Bundle, Place, Told, parse_place, ready_of, reset_of, tell
from api.live.views import Views
from api.problems import ProblemError
from shared.domain.live_filters import LiveFilter
from shared.live_events.reader import Entry, LiveReader
from shared.services.monitor.monitor_directory import MonitorDirectory

BEGIN_SECONDS = 5.0
"""How long a client waits for a process that has not reached Redis yet."""

REACH_SECONDS = 2.0
"""How long a client that comes from another process waits until this one has read as far."""

RETRY_AFTER_SECONDS = 5


class LiveHub:
    """Hands each event to who wants it; one per process."""

    def __init__(
        self, reader: LiveReader, directory: MonitorDirectory, *, metrics: LiveMetrics, max_streams: int
    ) -> None:
        self.metrics = metrics
        self._reader = reader
        self._directory = directory
        self._max_streams = max_streams
        self._past = Past()
        self._views = Views()
        self._count = 0
        self._news = asyncio.Event()
        self._has_begun = asyncio.Event()
        self._is_closed = False

    async def run(self) -> None:
        """Hear of events until cancelled."""
        await self._reader.follow(self)

    @property
    def is_closed(self) -> bool:
        """Whether the process stops."""
        return self._is_closed

    @property
    def place(self) -> Place:
        """The place up to which all has been handed out."""
        return self._past.newest

    def close(self) -> None:
        """Let everybody go and take nobody in any more."""
        self._is_closed = True
        self._views.wake_all()

    @contextmanager
    def admit(self, transport: str) -> Iterator[None]:
        """Count a client in while the block lasts.

        Raises:
            ProblemError: there are as many as may be, or the process stops.
        """
        if self._is_closed or self._count >= self._max_streams:
            raise ProblemError(
                problem_kinds.TOO_MANY_STREAMS,
                f"This server holds {self._max_streams} streams open at most."
                if not self._is_closed
                else "This server stops.",
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
        gauge = self.metrics.streams.labels(transport)
        self._count += 1
        gauge.inc()
        try:
            yield
        finally:
            self._count -= 1
            gauge.dec()

    async def subscribe(
        self, wanted: LiveFilter, *, after: str | None, bell: asyncio.Event, on_cut: Callable[[], None]
    ) -> Subscription:
        """Begin to hand events to a watcher: those after the id `after` first, if they are all still there.

        Raises:
            ProblemError: nothing is known of Redis yet.
        """
        await self._begun()
        if wanted.needs_facts:
            await self._directory.learn(())
        place = None if after is None else parse_place(after)
        if place is not None and place > self.place:
            await self._reach(place)
        # Nothing is awaited from here on, so that no event comes between what was missed and what is new.
        subscription = Subscription(wanted, bell=bell, on_cut=on_cut, directory=self._directory)
        self._begin_with(subscription, place, is_resumed=after is not None)
        self._views.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Hand nothing to this watcher any more."""
        self._views.remove(subscription)

    def wants_more(self, kept: Sequence[Entry]) -> bool:
        """Whether more of the past fits in."""
        return past.wants_more(kept)

    def begin(self, entries: Sequence[Entry]) -> None:
        """The stream begins; who watches already has missed what nobody knows."""
        since = self.place if self._has_begun.is_set() else None
        self._past.refill(entries)
        self._has_begun.set()
        self._tell_all(reset_of(self.place, "redis_lost", since=since))
        self._wake()

    async def hear(self, entries: Sequence[Entry]) -> None:
        """Keep the entries, and hand their events out if anybody watches."""
        if self._views.need_facts:
            told = [each for entry in entries for each in tell(entry)]
            await self._directory.learn({each.subject for each in told if each.is_of_monitor and each.subject})
        for entry in entries:
            self._past.append(entry)
            if self._views.is_watched:
                self._hand_out(tell(entry))
        self._wake()

    def _hand_out(self, events: Sequence[Told]) -> None:
        for each in events:
            if each.event is None:
                self._tell_all(each)
        self._views.hand_out([each for each in events if each.event is not None])

    def _tell_all(self, reset: Told) -> None:
        count = self._views.push_all(Bundle([reset]))
        self.metrics.resets.labels(reset.reason).inc(count)

    def _begin_with(self, subscription: Subscription, place: Place | None, *, is_resumed: bool) -> None:
        """Say first from where on, and either what was missed or that it cannot be told."""
        missed = "unknown" if place is None else self._past.after(place)
        if not is_resumed:
            subscription.push(Bundle([ready_of(self.place, is_resumed=False)]))
        elif place is None or isinstance(missed, str):
            reset = reset_of(self.place, str(missed), since=place)
            subscription.push(Bundle([ready_of(self.place, is_resumed=False), reset]))
            self.metrics.resets.labels(reset.reason).inc()
        else:
            subscription.catch_up(Bundle([ready_of(place, is_resumed=True)]), missed, after=place)
            self.metrics.resumed.inc()

    async def _begun(self) -> None:
        try:
            async with asyncio.timeout(BEGIN_SECONDS):
                await self._has_begun.wait()
        except TimeoutError:
            raise ProblemError(
                problem_kinds.LIVE_UNAVAILABLE,
                "This process has not reached Redis yet.",
                headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            ) from None

    async def _reach(self, place: Place) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(REACH_SECONDS):
                while self.place < place and not self._is_closed:
                    await self._news.wait()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
