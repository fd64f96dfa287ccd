"""How a monitor stands: its state, folded from one look after the other; pure, and the only place that decides it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from shared.domain.target.observation import CIRCUIT_OPEN
from shared.domain.target.outcome import Outcome

MISSED = "missed"
"""The code of `no_data` where a slot was not collected; why is told by the gap."""


class MonitorState(StrEnum):
    """What is known of a monitor's target."""

    PENDING = "pending"
    """Not looked at yet, since it was made or resumed."""
    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    NO_DATA = "no_data"
    """Nothing is known: slots were missed, or it was our own fault. Never counted against the target."""
    PAUSED = "paused"
    MAINTENANCE = "maintenance"

    @property
    def code(self) -> int:
        """The state as the small integer that the database keeps."""
        return STATE_CODES[self]

    @property
    def is_judged(self) -> bool:
        """Whether the target itself is spoken of."""
        return self in JUDGED_STATES


STATE_CODES: Mapping[MonitorState, int] = MappingProxyType(
    {
        MonitorState.UP: 0,
        MonitorState.DEGRADED: 1,
        MonitorState.DOWN: 2,
        MonitorState.NO_DATA: 3,
        MonitorState.PENDING: 4,
        MonitorState.PAUSED: 5,
        MonitorState.MAINTENANCE: 6,
    }
)
STATE_OF_CODE: Mapping[int, MonitorState] = MappingProxyType({code: state for state, code in STATE_CODES.items()})
JUDGED_STATES = frozenset({MonitorState.UP, MonitorState.DEGRADED, MonitorState.DOWN})

LEAST_PATIENCE = timedelta(minutes=1)

_STATE_OF_OUTCOME: Mapping[Outcome, MonitorState] = MappingProxyType(
    {
        Outcome.UP: MonitorState.UP,
        Outcome.DEGRADED: MonitorState.DEGRADED,
        Outcome.DOWN: MonitorState.DOWN,
        Outcome.ERROR: MonitorState.NO_DATA,
    }
)


class Cause(NamedTuple):
    """Why a monitor is in its state, as the look that found it so says."""

    code: str | None = None
    message: str | None = None


NO_CAUSE = Cause()


@dataclass(frozen=True, slots=True)
class Standing:
    """A monitor's state since when, and what the next look is judged against.

    `covered_until` is the slot up to which what is known holds. `last_at` is when the latest look that counted was
    due. `failing` looks in a row since `first_failed_at` found it down without that being confirmed yet.
    """

    state: MonitorState
    since: datetime
    covered_until: datetime | None = None
    last_at: datetime | None = None
    failing: int = 0
    first_failed_at: datetime | None = None
    code: str | None = None
    message: str | None = None

    @property
    def cause(self) -> Cause:
        """Why it is in its state."""
        return Cause(self.code, self.message)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found, at the slot (or moment) `at` it was due.

    `covers_until` is the slot after it; None of a confirmation, and of a look somebody asked for.
    """

    at: datetime
    outcome: Outcome
    covers_until: datetime | None = None
    code: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class StateChange:
    """From when on a monitor's state is another one, and why; one row of its status timeline."""

    at: datetime
    state: MonitorState
    code: str | None = None
    message: str | None = None

    @property
    def cause(self) -> Cause:
        """Why it is in that state."""
        return Cause(self.code, self.message)


@dataclass(frozen=True, slots=True)
class Folded:
    """How a monitor stands after a look, what changed, and whether *down* has to be confirmed by another look."""

    standing: Standing
    changes: tuple[StateChange, ...] = ()
    needs_confirmation: bool = False


def fold(standing: Standing, look: Look, *, confirmations: int) -> Folded:
    """Fold a look into a standing.

    A look that is older than the latest one, or than the state itself, changes no state. *Down* begins when the target
    was first found down, once as many further looks as `confirmations` found the same. An error of ours is `no_data`
    and neither confirms nor clears anything. Where slots were missed before this one, nothing was known between. A
    pause and a maintenance last whatever is found.
    """
    if standing.state is MonitorState.PAUSED:
        return Folded(standing)
    # A look that was under way through a pause comes after the resumption, and was due before it.
    if look.at < standing.since or (standing.last_at is not None and look.at <= standing.last_at):
        return Folded(_overtaken(standing, look))
    if standing.state is MonitorState.MAINTENANCE:
        return Folded(replace(standing, last_at=look.at, covered_until=_covered_until(standing, look)))
    standing, gap = _note_gap(standing, look)
    standing = replace(standing, last_at=look.at, covered_until=_covered_until(standing, look))
    folded = _judge(standing, look, confirmations=confirmations)
    return replace(folded, changes=gap + folded.changes) if gap else folded


def patience_of(interval: timedelta | None) -> timedelta:
    """How long nothing may come after what was known has ended, until silence means that nothing is known.

    Two intervals, a minute at least; None is the interval of a cron expression.
    """
    return LEAST_PATIENCE if interval is None else max(2 * interval, LEAST_PATIENCE)


def fold_silence(standing: Standing, *, now: datetime, patience: timedelta) -> Folded:
    """Fold in that no look came since what was known has ended, once `patience` is over."""
    until = standing.covered_until
    if not standing.state.is_judged or until is None or now < until + patience:
        return Folded(standing)
    lost, changes = _enter(standing, max(until, standing.since), MonitorState.NO_DATA, MISSED, None)
    return Folded(replace(lost, failing=0, first_failed_at=None), changes)


def fold_schedule(standing: Standing, *, next_slot: datetime, now: datetime, patience: timedelta) -> Standing:
    """Look by another schedule, from `next_slot` on: what is known now holds until then, since nothing is missed."""
    until = standing.covered_until
    if until is None or now >= until + patience:
        return standing
    return replace(standing, covered_until=next_slot)


def fold_pause(standing: Standing, *, at: datetime) -> Folded:
    """Stop looking."""
    paused, changes = _enter(standing, at, MonitorState.PAUSED, None, None)
    return Folded(replace(paused, failing=0, first_failed_at=None, covered_until=None), changes)


def fold_resume(standing: Standing, *, at: datetime) -> Folded:
    """Begin to look again; nothing is known yet."""
    if standing.state is not MonitorState.PAUSED:
        return Folded(standing)
    resumed, changes = _enter(standing, at, MonitorState.PENDING, None, None)
    return Folded(resumed, changes)


def fold_maintenance(standing: Standing, *, at: datetime, name: str) -> Folded:
    """Let planned work begin, `name` for its message: whatever looks find, nothing is said of the target."""
    if standing.state in {MonitorState.PAUSED, MonitorState.MAINTENANCE}:
        return Folded(standing)
    maintained, changes = _enter(standing, at, MonitorState.MAINTENANCE, None, name)
    return Folded(replace(maintained, failing=0, first_failed_at=None), changes)


def fold_maintenance_end(standing: Standing, *, at: datetime) -> Folded:
    """Let planned work end; nothing is known until the next look."""
    if standing.state is not MonitorState.MAINTENANCE:
        return Folded(standing)
    pending, changes = _enter(standing, at, MonitorState.PENDING, None, None)
    return Folded(pending, changes)


def _note_gap(standing: Standing, look: Look) -> tuple[Standing, tuple[StateChange, ...]]:
    """Where a slot before this one was missed, nothing was known from it on."""
    until = standing.covered_until
    if look.covers_until is None or until is None or look.at <= until or not standing.state.is_judged:
        return standing, ()
    lost, changes = _enter(standing, max(until, standing.since), MonitorState.NO_DATA, MISSED, None)
    return replace(lost, failing=0, first_failed_at=None), changes


def _overtaken(standing: Standing, look: Look) -> Standing:
    """A slot's look that a later one was quicker than: its slot was not missed, so that what is known goes on."""
    until, covers_until = standing.covered_until, look.covers_until
    if until is None or covers_until is None or not look.at <= until < covers_until:
        return standing
    return replace(standing, covered_until=covers_until)


def _covered_until(standing: Standing, look: Look) -> datetime | None:
    if look.covers_until is not None:
        return look.covers_until
    return look.at if standing.covered_until is None else max(standing.covered_until, look.at)


def _judge(standing: Standing, look: Look, *, confirmations: int) -> Folded:
    if look.outcome is Outcome.ERROR:
        if look.covers_until is None and standing.failing:
            return Folded(standing, needs_confirmation=True)
        if look.code == CIRCUIT_OPEN and standing.state is MonitorState.DOWN:
            # Whoever did look at the endpoint a moment ago got no answer either.
            return Folded(standing)
        # What was our own fault is not counted against the target: it is down since it was found so after it.
        unseen = replace(standing, first_failed_at=None) if standing.failing else standing
        return Folded(*_enter(unseen, look.at, MonitorState.NO_DATA, look.code, look.message))
    if look.outcome is not Outcome.DOWN or standing.state is MonitorState.DOWN:
        cleared = replace(standing, failing=0, first_failed_at=None) if standing.failing else standing
        state = _STATE_OF_OUTCOME[look.outcome]
        return Folded(*_enter(cleared, look.at, state, look.code, look.message))
    failing = standing.failing + 1
    first = standing.first_failed_at or look.at
    if failing <= confirmations:
        return Folded(replace(standing, failing=failing, first_failed_at=first), needs_confirmation=True)
    cleared = replace(standing, failing=0, first_failed_at=None)
    return Folded(*_enter(cleared, max(first, standing.since), MonitorState.DOWN, look.code, look.message))


def _enter(
    standing: Standing, at: datetime, state: MonitorState, code: str | None, message: str | None
) -> tuple[Standing, tuple[StateChange, ...]]:
    """Enter a state at a moment, or stay in it with the latest reason."""
    if state is standing.state:
        is_news = (code, message) != (standing.code, standing.message)
        return (replace(standing, code=code, message=message) if is_news else standing), ()
    change = StateChange(at, state, code, message)
    return replace(standing, state=state, since=at, code=code, message=message), (change,)
