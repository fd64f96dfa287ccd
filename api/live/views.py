"""Who wants which events, so that each event is judged once for all who ask for the same."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from uuid import UUID

from api.live.subscription import Subscription
from api.live.told import Bundle, Told
from shared.domain.live_filters import LiveFilter


class Views:
    """The subscriptions by what they ask for; those that name ids are found by them."""

    def __init__(self) -> None:
        self._views: dict[LiveFilter, set[Subscription]] = {}
        self._by_id: defaultdict[UUID, dict[LiveFilter, None]] = defaultdict(dict)
        self._broad: dict[LiveFilter, None] = {}
        self._needing_facts = 0

    @property
    def is_watched(self) -> bool:
        """Whether anybody watches."""
        return bool(self._views)

    @property
    def need_facts(self) -> bool:
        """Whether anybody asks for more of monitors than their ids."""
        return self._needing_facts > 0

    def add(self, subscription: Subscription) -> None:
        """Hand events to this one, too."""
        wanted = subscription.wanted
        self._needing_facts += wanted.needs_facts
        watchers = self._views.setdefault(wanted, set())
        watchers.add(subscription)
        if not wanted.ids:
            self._broad[wanted] = None
        for each in wanted.ids:
            self._by_id[each][wanted] = None

    def remove(self, subscription: Subscription) -> None:
        """Hand nothing to this one any more."""
        wanted = subscription.wanted
        watchers = self._views.get(wanted, set())
        if subscription not in watchers:
            return
        self._needing_facts -= wanted.needs_facts
        watchers.discard(subscription)
        if watchers:
            return
        del self._views[wanted]
        self._broad.pop(wanted, None)
        for each in wanted.ids:
            del self._by_id[each][wanted]
            if not self._by_id[each]:
                del self._by_id[each]

    def hand_out(self, events: Sequence[Told]) -> None:
        """Give each event to who wants it, those of one view in one bundle."""
        chosen: defaultdict[LiveFilter, list[Told]] = defaultdict(list)
        for told in events:
            narrow: Iterable[LiveFilter] = self._by_id.get(told.subject, ()) if told.subject else ()
            for wanted in chain(narrow, self._broad):
                if self._one_of(wanted).wants(told):
                    chosen[wanted].append(told)
        for wanted, found in chosen.items():
            bundle = Bundle(found)
            for subscription in self._views[wanted]:
                subscription.push(bundle)

    def push_all(self, bundle: Bundle) -> int:
        """Give a bundle to everybody; how many that are."""
        everybody = list(chain.from_iterable(self._views.values()))
        for subscription in everybody:
            subscription.push(bundle)
        return len(everybody)

    def wake_all(self) -> None:
        """Let everybody look whether the process goes on."""
        for subscription in chain.from_iterable(self._views.values()):
            subscription.wake()

    def _one_of(self, wanted: LiveFilter) -> Subscription:
        return next(iter(self._views[wanted]))
