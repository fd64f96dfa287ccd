"""The reckoning of slots: what schedules say, what was collected and what is told as missed, against each other."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

JUDGED = frozenset({"up", "degraded", "down"})

Place = tuple[UUID, int]
"""A monitor and a moment, in milliseconds since 1970 like all moments here."""


@dataclass(frozen=True, slots=True)
class Missed:
    """Slots in a row that are told as missed."""

    first: int
    last: int
    slots: int
    reason: str


@dataclass(frozen=True, slots=True)
class Watched:
    """A monitor as the database holds it; `samples` are slots and outcomes, `spans` moments and states, in order."""

    monitor_id: UUID
    interval: int
    created: float
    samples: Sequence[tuple[int, str]]
    gaps: Sequence[Missed]
    spans: Sequence[tuple[int, str]]
    state: str
    since: int
    covered_until: int | None

    def expected(self, until: int) -> range:
        """The slots the schedule has up to that moment, computed here anew: a phase by a hash of the id, no drift."""
        phase = int.from_bytes(sha256(self.monitor_id.bytes).digest()[:8]) % self.interval
        turns = (int(self.created) - phase) // self.interval + 1
        return range(phase + turns * self.interval, until + 1, self.interval)


@dataclass(frozen=True, slots=True)
class SlotReckoning:
    """What was found: each fault with the place it befell, and the figures of the line."""

    slots: int
    run: int
    errors: int
    """Of those that were run: our own faults."""
    missed: Counter[str]
    doubled: Mapping[Place, str]
    unaccounted: Sequence[Place]
    false_downs: Sequence[Place]
    unexplained: Mapping[Place, str]
    """Where a timeline says what nothing that was stored says."""

    @property
    def is_clean(self) -> bool:
        """Whether every slot is accounted for once, and every timeline follows from what was stored."""
        return not (self.doubled or self.unaccounted or self.false_downs or self.unexplained)

    @property
    def faults(self) -> Iterator[tuple[str, Place, str]]:
        """Each fault: what sort, where, why."""
        yield from (("doubled", place, why) for place, why in self.doubled.items())
        yield from (("unaccounted", place, "neither collected nor missed") for place in self.unaccounted)
        yield from (("false down", place, "a target that always answers") for place in self.false_downs)
        yield from (("unexplained", place, why) for place, why in self.unexplained.items())

    def line(self) -> str:
        """The whole run in one line."""
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(self.missed.items()))
        missed = f"{self.missed.total()} ({reasons})" if reasons else "0"
        return (
            f"slots {self.slots} · run {self.run} · missed {missed} · errors {self.errors}"
            f" · doubled {len(self.doubled)} · unaccounted {len(self.unaccounted)}"
            f" · false downs {len(self.false_downs)} · unexplained {len(self.unexplained)}"
        )


def reckon_slots(watched: Sequence[Watched], *, until: int) -> SlotReckoning:
    """Judge the slots up to a moment by which everything was settled, of monitors whose targets are always up."""
    missed: Counter[str] = Counter()
    doubled: dict[Place, str] = {}
    unaccounted: list[Place] = []
    unexplained: dict[Place, str] = {}
    slots = run = errors = 0
    for each in watched:
        expected = each.expected(until)
        told = _told(each, until)
        slots += len(expected)
        run += sum(slot <= until for slot, _ in each.samples)
        errors += sum(slot <= until and outcome == "error" for slot, outcome in each.samples)
        missed += Counter(reason for slot in expected for reason in told.get(slot, ()) if reason != _RUN)
        doubled |= {(each.monitor_id, slot): why for slot in told if (why := _why_doubled(slot, told[slot], expected))}
        unaccounted += [(each.monitor_id, slot) for slot in expected if slot not in told]
        unexplained |= {(each.monitor_id, at): why for at, why in _unexplained(each, expected)}
    downs = [(each.monitor_id, at) for each in watched for at, state in each.spans if state == "down"]
    return SlotReckoning(slots, run, errors, missed, doubled, unaccounted, downs, unexplained)


_RUN = "run"


def _told(watched: Watched, until: int) -> dict[int, list[str]]:
    """What is told of each moment up to that one."""
    told: dict[int, list[str]] = {}
    for slot, _ in watched.samples:
        told.setdefault(slot, []).append(_RUN)
    for gap in watched.gaps:
        # So many as the row says, however far apart its ends are: what does not fit is no slot, or one too few.
        for slot in range(gap.first, gap.first + gap.slots * watched.interval, watched.interval):
            told.setdefault(slot, []).append(gap.reason)
        if gap.last != gap.first + (gap.slots - 1) * watched.interval:
            told.setdefault(gap.last, []).extend((gap.reason, "wrongly counted"))
    return {slot: reasons for slot, reasons in told.items() if slot <= until}


def _why_doubled(slot: int, reasons: Sequence[str], expected: range) -> str | None:
    if slot not in expected:
        return f"{reasons} at a moment that is no slot"
    return f"told more than once: {reasons}" if len(reasons) > 1 else None


def _unexplained(watched: Watched, expected: range) -> Iterator[tuple[int, str]]:
    """Where the target is judged without a look that was its own fault or merit; and a state beside its timeline."""
    last_at, last_state = watched.spans[-1]
    if (last_at, last_state) != (watched.since, watched.state):
        yield watched.since, f"is {watched.state}, and the timeline ends as {last_state} at {last_at}"
    outcomes = dict(watched.samples)
    # A look that was under way when its monitor was paused is dropped, and the state lasts until the pause.
    dropped = {gap.first for gap in watched.gaps if gap.reason == "paused"}
    ends = [at for at, _ in watched.spans[1:]] + [watched.covered_until or last_at]
    for (at, state), end in zip(watched.spans, ends, strict=True):
        if state in JUDGED:
            for slot in expected[bisect_left(expected, at) : bisect_left(expected, end)]:
                if outcomes.get(slot) not in JUDGED and slot not in dropped:
                    yield slot, f"judged {state} by {outcomes.get(slot, 'no look')}"
