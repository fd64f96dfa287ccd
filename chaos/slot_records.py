"""What the database holds of monitors and their slots, read by a connection of the auditor's own."""

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from chaos.alert_records import GROUP as FLAPPING
from chaos.slots import Missed, Watched
from shared.domain.monitor.standing import STATE_OF_CODE
from shared.domain.target.outcome import OUTCOME_OF_CODE

if TYPE_CHECKING:
    import asyncpg

_MONITORS = """
select m.monitor_id, m.interval_ms, m.created_at, s.state, s.since, s.covered_until
from monitors m join monitor_states s using (monitor_id) where m.interval_ms is not null and m.group_name <> $1
"""
_SAMPLES = """
select m.monitor_id, p.ts, p.outcome from monitors m
join (select series_id, ts, outcome from sample union all select series_id, ts, outcome from sample_late) p
     using (series_id)
order by p.ts
"""


async def read_watched(connection: "asyncpg.Connection[asyncpg.Record]") -> list[Watched]:
    """All monitors with an interval whose targets do not flap, and all that is stored of their slots."""
    samples: dict[UUID, list[tuple[int, str]]] = defaultdict(list)
    for monitor_id, slot, outcome in await connection.fetch(_SAMPLES, timeout=120):
        samples[monitor_id].append((milliseconds(slot), OUTCOME_OF_CODE[outcome].value))
    gaps: dict[UUID, list[Missed]] = defaultdict(list)
    for row in await connection.fetch("select * from slot_gaps", timeout=120):
        missed = Missed(milliseconds(row["first_slot"]), milliseconds(row["last_slot"]), row["slots"], row["reason"])
        gaps[row["monitor_id"]].append(missed)
    spans: dict[UUID, list[tuple[int, str]]] = defaultdict(list)
    for row in await connection.fetch("select * from state_spans order by started_at", timeout=120):
        spans[row["monitor_id"]].append((milliseconds(row["started_at"]), STATE_OF_CODE[row["state"]].value))
    return [
        Watched(
            monitor_id=row["monitor_id"],
            interval=row["interval_ms"],
            created=row["created_at"].timestamp() * 1000,
            samples=samples[row["monitor_id"]],
            gaps=gaps[row["monitor_id"]],
            spans=spans[row["monitor_id"]],
            state=STATE_OF_CODE[row["state"]].value,
            since=milliseconds(row["since"]),
            covered_until=row["covered_until"] and milliseconds(row["covered_until"]),
        )
        for row in await connection.fetch(_MONITORS, FLAPPING, timeout=120)
    ]


def milliseconds(moment: datetime) -> int:
    """Since 1970."""
    return round(moment.timestamp() * 1000)
