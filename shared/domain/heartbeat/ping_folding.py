"""What pings and silence make of a heartbeat and of how its monitor stands; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from shared.domain.heartbeat.pings import Heartbeat, Ping, PingKind, hear
from shared.domain.heartbeat.silence import Ears, judge_silence
from shared.domain.monitor.standing import Look, MonitorState, Standing, StateChange, fold

_MILLISECOND = timedelta(milliseconds=1)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class WatchedHeartbeat:
    """A heartbeat as it is found: its monitor and series, what is waited for, and how many pings came so far."""

    monitor_id: UUID
    series_id: int
    heartbeat: Heartbeat
    standing: Standing
    pings: int


@dataclass(frozen=True, slots=True)
class NumberedPing:
    """A ping with its number among all of its heartbeat and the duration of the run that it ended."""

    number: int
    ping: Ping
    duration_ms: float | None = None


@dataclass(frozen=True, slots=True)
class LifeSign:
    """A sample of a heartbeat: what a ping said, `since_last_ms` after the one before, or that none came."""

    look: Look
    duration_ms: float | None = None
    exit_status: int | None = None
    since_last_ms: float | None = None


@dataclass
class FoldedPings:
    """What came of pings and silence; grows while they are folded in, one after the other."""

    heartbeat: Heartbeat
    standing: Standing
    pings: int
    changes: list[StateChange] = field(default_factory=list)
    signs: list[LifeSign] = field(default_factory=list)
    numbered: list[NumberedPing] = field(default_factory=list)

    def take_look(self, sign: LifeSign) -> None:
        """Fold one look in; a heartbeat has nothing that could be asked again, so that nothing is confirmed."""
        folded = fold(self.standing, sign.look, confirmations=0)
        self.standing = folded.standing
        self.changes += folded.changes
        self.signs.append(sign)

    def wait_for(self, heartbeat: Heartbeat) -> None:
        """Wait for something else; what is known holds until that is overdue."""
        self.heartbeat = heartbeat
        until, known = heartbeat.expected_at, self.standing.covered_until
        if until is not None and known is not None and until > known and self.standing.state.is_judged:
            self.standing = replace(self.standing, covered_until=until)


def fold_pings(
    watched: WatchedHeartbeat, pings: Iterable[Ping], *, ears: Ears | None, begun: Mapping[UUID, datetime]
) -> FoldedPings:
    """Fold pings in, each after the silence before it. `begun` is when runs began, by what tells them apart.

    Without `ears` no silence is judged: nothing was overdue.

    The pings of a paused monitor are numbered and kept, and change nothing.
    """
    folded = _untouched(watched)
    begun = dict(begun)
    for ping in sorted(pings, key=lambda each: each.at):
        folded.pings += 1
        if folded.standing.state is MonitorState.PAUSED:
            folded.numbered.append(NumberedPing(folded.pings, ping))
            continue
        if ears is not None:
            _fold_silence(folded, now=ping.at, ears=ears)
        _fold_ping(folded, ping, None if ping.run_id is None else begun.get(ping.run_id))
        if ping.kind is PingKind.START and ping.run_id is not None:
            begun[ping.run_id] = ping.at
    return folded


def fold_overdue(watched: WatchedHeartbeat, *, now: datetime, ears: Ears) -> FoldedPings:
    """Fold in that nothing came until `now`."""
    folded = _untouched(watched)
    _fold_silence(folded, now=now, ears=ears)
    return folded


def is_overdue(watched: WatchedHeartbeat, pings: Sequence[Ping]) -> bool:
    """Whether silence has to be judged before one of the pings."""
    expected_at = watched.heartbeat.expected_at
    return expected_at is not None and any(expected_at < ping.at for ping in pings)


def _untouched(watched: WatchedHeartbeat) -> FoldedPings:
    folded = FoldedPings(watched.heartbeat, watched.standing, watched.pings)
    # Its monitor's schedule may have been changed since it was last pinged.
    folded.wait_for(watched.heartbeat)
    return folded


def _fold_silence(folded: FoldedPings, *, now: datetime, ears: Ears) -> None:
    heartbeat, looks = judge_silence(folded.heartbeat, last_at=_latest(folded.standing), now=now, ears=ears)
    for look in looks:
        folded.take_look(LifeSign(look))
    folded.wait_for(heartbeat)


def _latest(standing: Standing) -> datetime:
    """The last millisecond that a look has to come after: of the look before it, or just before the state began.

    A ping may be older than its own heartbeat, which it has made, or than the resumption it had to wait for.
    """
    before = standing.since - _MICROSECOND
    before = before.replace(microsecond=before.microsecond // 1000 * 1000)
    return before if standing.last_at is None else max(before, standing.last_at)


def _fold_ping(folded: FoldedPings, ping: Ping, begun_at: datetime | None) -> None:
    before = folded.heartbeat.pinged_at
    heard = hear(folded.heartbeat, ping, last_at=_latest(folded.standing), begun_at=begun_at)
    folded.numbered.append(NumberedPing(folded.pings, ping, heard.duration_ms))
    if heard.look is not None:
        since_last_ms = None if before is None else (ping.at - before) / _MILLISECOND
        folded.take_look(LifeSign(heard.look, heard.duration_ms, ping.exit_status, since_last_ms))
    folded.wait_for(heard.heartbeat)
