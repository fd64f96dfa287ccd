"""A random walk through firings, resolves and everything that may hold them up, held against what receivers heard."""

from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from notice_world import ANSWERS, CHANNELS, NoticeWorld
from random_walks import AsyncMachine, examples, take_walks

EXAMPLES = examples(30)
STEPS = 30
ROUNDS = 60
"""In so many rounds of tries and upkeep everything that is owed has to be told."""

HOSTS = st.sampled_from(["a", "b", "c", "d"])
NAMES = st.sampled_from(sorted(CHANNELS))
NUMBERS = st.integers(min_value=0, max_value=10**6)
DUTIES = st.sampled_from(["try", "try", "settle", "settle", "recheck", "remind"])
SEEN: Counter[str] = Counter()
"""How notices and tellings of all walks together have ended."""


class NoticeMachine(AsyncMachine):
    """Whatever happens in whatever order: no firing without its resolve, nothing told twice, nothing owed forgotten."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        super().__init__()
        self.open: dict[str, UUID] = {}
        self.is_silent = False
        self.world = self.run(self._open(database_url, redis_url))

    @staticmethod
    async def _open(database_url: str, redis_url: str) -> NoticeWorld:
        world = NoticeWorld(database_url, redis_url)
        await world.begin()
        return world

    @initialize(hosts=st.lists(HOSTS, min_size=1, max_size=3, unique=True))
    def begin(self, hosts: list[str]) -> None:
        for host in hosts:
            self.fire_or_resolve(host)

    @rule(host=HOSTS)
    def fire_or_resolve(self, host: str) -> None:
        if host in self.open:
            self.run(self.world.resolve(self.open.pop(host)))
        else:
            self.open[host] = self.run(self.world.fire(host))

    @rule(what=st.sampled_from(["silence", "disable", "cancel"]), number=NUMBERS)
    def people_do(self, what: str, number: int) -> None:
        if what == "silence":
            self._silence_or_end()
        elif what == "disable":
            toggle = "update channels set disabled_at = case when disabled_at is null then now() end where name = $1"
            self.run(self.world.site.set(toggle, sorted(CHANNELS)[number % 2]))
        elif live := self.run(self.world.live()):
            self.run(self.world.bench.control.cancel(live[number % len(live)].job_id))

    @rule(name=NAMES, how=st.sampled_from(sorted(ANSWERS)))
    def receivers_answer(self, name: str, how: str) -> None:
        self.world.receivers.answers[name] = how

    @rule(number=NUMBERS, is_sent=st.booleans())
    def a_worker_crashes(self, number: int, *, is_sent: bool) -> None:
        live = self.run(self.world.live())
        if live:
            step = self.world.send_and_crash if is_sent else self.world.compose_and_crash
            self.run(step(live[number % len(live)]))

    @rule(duty=DUTIES)
    def time_passes(self, duty: str) -> None:
        match duty:
            case "try":
                self.run(self.world.try_all())
            case "settle":
                self.run(self.world.upkeep.settle())
            case "recheck":
                self.run(self.world.upkeep.recheck())
            case "remind":
                self.run(self.world.site.set("update alert_groups set remind_at = now() where remind_at is not null"))
                self.run(self.world.upkeep.remind())

    def _silence_or_end(self) -> None:
        if self.is_silent:
            self.run(self.world.site.set("update silences set ends_at = now()"))
        else:
            self.run(self.world.site.silence("host=~a|b"))
        self.is_silent = not self.is_silent

    # What holds at every moment.

    @invariant()
    def one_live_notice_a_group(self) -> None:
        rows = self.run(
            self.world.site.rows(
                """
                select g.notice_id, array_agg(n.notice_id) filter (where n.notice_id is not null) as live
                from alert_groups g left join notices n on n.group_id = g.group_id and n.ended_at is null
                group by g.group_id, g.notice_id
                """
            )
        )
        for row in rows:
            assert (row.live or []) == ([] if row.notice_id is None else [row.notice_id])

    @invariant()
    def what_was_heard_is_in_the_ledger(self) -> None:
        for telling in self.run(self.world.ledger()):
            heard = self._heard(telling)
            news = {notice_id for notice_id, status, is_news in heard if is_news and status == "firing"}
            assert len(news) <= 1, "told twice that it fired"
            if heard:
                assert telling.fire_notice_id is not None, "told without a trace"
            if telling.is_settled:
                assert telling.state == "resolved"
                is_told = telling.resolve_notice_id is not None and telling.resolve_state != "cancelled"
                is_held_back = telling.fire_notice_id is None and telling.suppressed is not None and not heard
                assert is_told or is_held_back, f"settled untold: {telling}"
            if any(status == "resolved" for _, status, _ in heard):
                last = [status for _, status, _ in heard].index("resolved")
                later = {notice_id for notice_id, status, _ in heard[last:] if status == "firing"}
                assert not later, "fires after it has resolved"

    def _heard(self, telling: Any) -> list[tuple[str, str, bool]]:
        taken = self.world.receivers.taken[telling.channel]
        return [(notice, status, is_news) for notice, alert, status, is_news in taken if alert == telling.alert_id]

    # The end of each walk.

    def teardown(self) -> None:
        """From wherever the walk has led, all is told once everything works again."""
        try:
            for name in CHANNELS:
                self.world.receivers.answers[name] = "taken"
            self.run(self.world.site.set("update channels set disabled_at = null"))
            self.run(self.world.site.set("update silences set ends_at = now()"))
            self._bring_to_rest()
            for telling in self.run(self.world.ledger()):
                assert telling.state == "resolved" or telling.fire_notice_id is not None, f"not told: {telling}"
            for host in list(self.open):
                self.fire_or_resolve(host)
            self._bring_to_rest()
            self._check_rest()
        finally:
            self.run(self.world.end())
            self.runner.close()

    def _bring_to_rest(self) -> None:
        for _ in range(ROUNDS):
            moved = self.run(self.world.try_all())
            moved += self.run(self.world.upkeep.settle())
            moved += self.run(self.world.upkeep.recheck())
            self.one_live_notice_a_group()
            if not moved:
                return
        raise AssertionError("notices go on and on")

    def _check_rest(self) -> None:
        for telling in self.run(self.world.ledger()):
            assert telling.is_settled, f"still owed: {telling}"
            statuses = {status for _, status, _ in self._heard(telling)}
            if "firing" in statuses:
                is_dead_letter = telling.resolve_state == "failed"
                assert "resolved" in statuses or is_dead_letter, f"no resolve: {telling}"
            SEEN["untold" if telling.fire_notice_id is None else "told"] += 1
            SEEN["paired"] += statuses == {"firing", "resolved"}
        SEEN.update(notice.state for notice in self.run(self.world.site.notices()))
        SEEN.update(notice.kind for notice in self.run(self.world.site.notices()))


@pytest.mark.timeout(3600)
def test_every_firing_that_went_out_has_its_resolve(fresh_database_url: str, redis_url: str) -> None:
    """Fire, resolve, silence, disable, refuse, cancel, crash, settle, remind: in any order, never lost or doubled."""
    take_walks(lambda: NoticeMachine(fresh_database_url, redis_url), walks=EXAMPLES, steps=STEPS)
    wanted = {"told", "untold", "paired", "delivered", "failed", "cancelled", "empty", "alert", "reminder"}
    assert all(SEEN[each] for each in wanted), SEEN
