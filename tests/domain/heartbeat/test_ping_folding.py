"""What pings and silence make of a heartbeat's monitor."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.heartbeat.ping_folding import FoldedPings, WatchedHeartbeat, fold_overdue, fold_pings
from shared.domain.heartbeat.pings import Heartbeat, Ping, PingKind
from shared.domain.heartbeat.silence import Ears
from shared.domain.monitor.schedules import Schedule
from shared.domain.monitor.standing import MonitorState, Standing

MADE = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
NEW = WatchedHeartbeat(
    UUID(int=7), 1, Heartbeat(Schedule(interval=HOUR), MINUTE), Standing(MonitorState.PENDING, MADE), 0
)
EARS = Ears(MADE + 1000 * HOUR)


def fold(watched: WatchedHeartbeat, *pings: Ping) -> FoldedPings:
    return fold_pings(watched, pings, ears=EARS, begun={})


def after(watched: WatchedHeartbeat, folded: FoldedPings) -> WatchedHeartbeat:
    """The heartbeat as it is found the next time."""
    return replace(watched, heartbeat=folded.heartbeat, standing=folded.standing, pings=folded.pings)


def at(minutes: float, kind: PingKind = PingKind.SUCCESS, run: int | None = None) -> Ping:
    return Ping(kind, MADE + minutes * MINUTE, None if run is None else UUID(int=run))


def test_what_is_known_holds_until_the_next_ping_is_due() -> None:
    """So no time between two pings that came in time is unknown."""
    folded = fold(NEW, at(0), at(60), at(120.5))
    assert [change.state for change in folded.changes] == [MonitorState.UP]
    assert folded.standing.covered_until == MADE + 181.5 * MINUTE


def test_what_is_known_holds_while_a_run_may_take_its_time() -> None:
    """A start just before the ping was due makes it due later; the time until then is not unknown."""
    folded = fold(NEW, at(0), at(60.9, PingKind.START), at(61.8))
    assert [change.state for change in folded.changes] == [MonitorState.UP]


def test_what_is_known_holds_when_the_period_was_made_longer() -> None:
    """The monitor was changed after its last ping: nothing was overdue."""
    up = after(NEW, fold(NEW, at(0)))
    longer = replace(up.heartbeat, schedule=Schedule(interval=24 * HOUR), expected_at=MADE + 24 * HOUR + MINUTE)
    folded = fold(replace(up, heartbeat=longer), at(600))
    assert folded.changes == []


def test_a_late_ping_tells_of_the_silence_before_it() -> None:
    """Down from when it was due, up from when it came, and a sample for either."""
    folded = fold(NEW, at(0), at(90))
    assert [(change.at, change.state) for change in folded.changes[1:]] == [
        (MADE + 61 * MINUTE, MonitorState.DOWN),
        (MADE + 90 * MINUTE, MonitorState.UP),
    ]
    assert [sign.since_last_ms for sign in folded.signs] == [None, None, 90 * 60_000]


def test_a_paused_heartbeat_only_counts_its_pings() -> None:
    """And gives each its number."""
    paused = replace(NEW, standing=Standing(MonitorState.PAUSED, MADE))
    folded = fold(paused, at(0), at(1, PingKind.FAIL))
    assert [each.number for each in folded.numbered] == [1, 2]
    assert (folded.standing, folded.heartbeat, folded.signs) == (paused.standing, paused.heartbeat, [])


def test_silence_is_folded_once() -> None:
    """Looking again at once finds nothing new."""
    up = after(NEW, fold(NEW, at(0)))
    now = MADE + 2 * HOUR
    first = fold_overdue(up, now=now, ears=EARS)
    assert [change.state for change in first.changes] == [MonitorState.DOWN]
    assert fold_overdue(after(up, first), now=now, ears=EARS).signs == []


some_pings = st.lists(
    st.builds(at, st.integers(0, 300).map(lambda n: n / 2), st.sampled_from(PingKind), st.sampled_from([None, 1, 2])),
    max_size=12,
)


@given(pings=some_pings, cut=st.integers(0, 12))
@settings(max_examples=200)
def test_pings_come_to_the_same_together_and_one_by_one(pings: list[Ping], cut: int) -> None:
    """Which of them share a commit is chance, and nothing may hang on it; looks follow one another in time."""
    pings = sorted(pings, key=lambda ping: ping.at)
    together = fold(NEW, *pings)
    first = fold(NEW, *pings[:cut])
    begun = {ping.run_id: ping.at for ping in pings[:cut] if ping.kind is PingKind.START and ping.run_id}
    second = fold_pings(after(NEW, first), pings[cut:], ears=EARS, begun=begun)
    assert (second.heartbeat, second.standing, second.pings) == (together.heartbeat, together.standing, together.pings)
    assert first.signs + second.signs == together.signs
    moments = [sign.look.at for sign in together.signs]
    assert moments == sorted(set(moments))
