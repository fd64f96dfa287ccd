"""Monitors for tests and measurements: thousands with their states, timelines and beats, planted at once."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from random import Random
from uuid import UUID

import msgspec

from shared.domain.monitor.beats import MAX_BEATS, Beat, pack_beats
from shared.domain.monitor.standing import MonitorState, StateChange
from shared.domain.target.outcome import Outcome
from shared.storage.database import Database, UnitOfWork

MINUTE = timedelta(minutes=1)
LEAVES_TO = {
    MonitorState.UP: (MonitorState.DOWN, MonitorState.DEGRADED, MonitorState.NO_DATA, MonitorState.PAUSED),
    MonitorState.MAINTENANCE: (MonitorState.PENDING,),
    MonitorState.PAUSED: (MonitorState.PENDING,),
}
"""Where `random_changes` goes from a state; from all others it goes to *up*."""


@dataclass(frozen=True)
class MonitorData:
    """A monitor and its status timeline; its state is the latest change's."""

    monitor_id: UUID
    changes: Sequence[StateChange]
    name: str = ""
    group: str = ""
    kind: str = "http"
    labels: dict[str, str] = field(default_factory=dict)
    interval: timedelta | None = MINUTE
    created_at: datetime | None = None
    """The first change's moment unless told."""
    covered_until: datetime | None = None
    beats: bytes = b""
    last: tuple[datetime, float | None, int] | None = None
    """The latest sample: when, its duration in milliseconds, its outcome's code."""


def monitor_id_of(number: int) -> UUID:
    """The id of the monitor with this number: spread as real ones are, the same each time."""
    return UUID(bytes=hashlib.sha256(b"%d" % number).digest()[:16], version=4)


def random_changes(random: Random, count: int, *, start: datetime, end: datetime) -> list[StateChange]:
    """A timeline of `count` changes from `start` on, mostly *up*, with short spans of everything else."""
    state, states = MonitorState.PENDING, []
    for _ in range(count):
        states.append(state)
        state = random.choice(LEAVES_TO.get(state, (MonitorState.UP,)))
    parts = [random.expovariate(1.0 if each is MonitorState.UP else 200.0) + 1e-9 for each in states]
    whole = (end - start) // timedelta(milliseconds=1)
    scale = whole * random.uniform(0.9, 1) / sum(parts)
    moments = [0, *(int(part * scale) for part in accumulate(parts[:-1]))]
    return [
        StateChange(start + timedelta(milliseconds=moment), state, code=None if state is MonitorState.UP else state)
        for moment, state in zip(moments, states, strict=True)
    ]


def random_monitors(
    count: int, *, now: datetime, days: int = 365, changes: int = 100, seed: int = 1
) -> Iterator[MonitorData]:
    """Monitors in 20 groups and 5 teams, as if they had been watched each minute for so many days."""
    random = Random(seed)
    for number in range(count):
        beats = [
            Beat(now - age * MINUTE, random.choice((Outcome.UP,) * 20 + tuple(Outcome)), random.lognormvariate(3, 1))
            for age in range(MAX_BEATS)
        ]
        yield MonitorData(
            monitor_id_of(number),
            random_changes(random, changes, start=now - timedelta(days=days), end=now),
            name=f"monitor {number:06}",
            group=f"group {number % 20:02}",
            labels={"team": f"team-{number % 5}"},
            covered_until=now + random.random() * MINUTE,
            beats=pack_beats(beats),
            last=(beats[0].at, beats[0].duration_ms, beats[0].outcome.code),
        )


async def plant_monitors(database: Database, monitors: Sequence[MonitorData]) -> None:
    """Write them with all that belongs to them but a schedule, so that nothing looks at them.

    Triggers are off meanwhile, and so are the checks of foreign keys, which would take longer than all else.
    """
    async with database.transaction() as work:
        await work.run("set local session_replication_role = replica")
        await _plant_monitors(work, monitors)
        await _plant_states(work, monitors)
        for first in range(0, len(monitors), 1000):
            await _plant_spans(work, monitors[first : first + 1000])


async def _plant_monitors(work: UnitOfWork, monitors: Sequence[MonitorData]) -> None:
    await work.run(
        """
        with made as (
            insert into series (identity, kind, name, labels, monitor_id)
            select sha256('monitor:'::bytea || uuid_send(id)), kind, name, labels::jsonb, id
            from unnest($1::uuid[], $3::text[], $4::text[], $5::text[]) as m (id, name, kind, labels)
            returning series_id, monitor_id)
        insert into monitors (monitor_id, group_name, name, kind, target, shown, interval_ms, cron, confirmations,
                              confirm_ms, labels, series_id, created_at, paused_at, created_by)
        select id, m.group_name, m.name, m.kind, '{}', '{}', interval_ms,
               case when interval_ms is null then '* * * * *' end, 1, 5000, m.labels::jsonb, series_id, m.created_at,
               case when state = 5 then since end, 'tests'
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int8[], $7::timestamptz[],
                    $8::int2[], $9::timestamptz[])
             as m (id, group_name, name, kind, labels, interval_ms, created_at, state, since)
        join made on made.monitor_id = m.id
        """,
        [each.monitor_id for each in monitors],
        [each.group for each in monitors],
        [each.name or str(each.monitor_id) for each in monitors],
        [each.kind for each in monitors],
        [msgspec.json.encode(each.labels).decode() for each in monitors],
        [None if each.interval is None else each.interval // timedelta(milliseconds=1) for each in monitors],
        [each.created_at or each.changes[0].at for each in monitors],
        [each.changes[-1].state.code for each in monitors],
        [each.changes[-1].at for each in monitors],
    )


async def _plant_states(work: UnitOfWork, monitors: Sequence[MonitorData]) -> None:
    latest = [each.changes[-1] for each in monitors]
    await work.run(
        """
        insert into monitor_states (monitor_id, since, covered_until, last_at, sampled_at, duration_ms, outcome, state,
                                    code, message, beats)
        select id, since, covered_until, sampled_at, sampled_at, duration_ms, outcome, state, code, message, beats
        from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::float8[], $6::int2[],
                    $7::int2[], $8::text[], $9::text[], $10::bytea[])
             as m (id, since, covered_until, sampled_at, duration_ms, outcome, state, code, message, beats)
        """,
        [each.monitor_id for each in monitors],
        [change.at for change in latest],
        [each.covered_until for each in monitors],
        [each.last and each.last[0] for each in monitors],
        [each.last and each.last[1] for each in monitors],
        [each.last and each.last[2] for each in monitors],
        [change.state.code for change in latest],
        [change.code for change in latest],
        [change.message for change in latest],
        [each.beats for each in monitors],
    )


async def _plant_spans(work: UnitOfWork, monitors: Sequence[MonitorData]) -> None:
    """Of changes at one moment the later one stands, as where they are written."""
    rows = [row for each in monitors for row in _spans_of(each)]
    ids, changes, previous = zip(*rows, strict=True)
    await work.run(
        """
        insert into state_spans (monitor_id, started_at, state, previous_state, code, message)
        select * from unnest($1::uuid[], $2::timestamptz[], $3::int2[], $4::int2[], $5::text[], $6::text[])
        """,
        list(ids),
        [change.at for change in changes],
        [change.state.code for change in changes],
        [None if change is None else change.state.code for change in previous],
        [change.code for change in changes],
        [change.message for change in changes],
    )


def _spans_of(monitor: MonitorData) -> list[tuple[UUID, StateChange, StateChange | None]]:
    changes = list({change.at: change for change in monitor.changes}.values())
    return [(monitor.monitor_id, *pair) for pair in zip(changes, [None, *changes], strict=False)]
