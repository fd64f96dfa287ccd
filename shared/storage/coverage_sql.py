"""The SQL of coverage: what became of slots, read from roll-ups, samples, gaps and the rounds that are under way."""

from collections.abc import Sequence

from shared.domain.jobs import JobKind
from shared.domain.kinds import METRICS
from shared.domain.outcome import Outcome
from shared.domain.segments import Segment, Source
from shared.domain.slots import LATE_AFTER, GapReason
from shared.storage.job_store import QUEUE_OF

COUNTS = ("on_time", "late", "error", "pending", *(f"missed_{reason.value}" for reason in GapReason))
"""The columns that count slots."""

_QUEUE = QUEUE_OF[JobKind.ROUND]
_LATE_MS = LATE_AFTER.total_seconds() * 1000
_ERROR = Outcome.ERROR.code
_LAG = "case w.kind {} end".format(
    " ".join(
        f"when '{kind}' then p.extras[{metrics.index('lag_ms') + 1}]"
        for kind, metrics in METRICS.items()
        if "lag_ms" in metrics
    )
)
_TABLES = {Source.HOUR: "rollup_1h", Source.DAY: "rollup_1d"}


def missed(*, start: str, end: str) -> str:
    """The common table of missed slots, by monitor `w` and reason."""
    columns = ", ".join(f"sum(slots) filter (where reason = '{r.value}')::int8 as missed_{r.value}" for r in GapReason)
    return f"""
    missed as (
        select g.monitor_id, {columns} from (
            -- Slots in a row that began before the window: those within it, as they are spread evenly.
            select monitor_id, reason, case when first_slot >= {start} and last_slot < {end} then slots
                   else 1 + floor((slots - 1)
                             * extract(epoch from least(last_slot, {end}) - greatest(first_slot, {start}))
                             / extract(epoch from last_slot - first_slot)) end as slots
            from slot_gaps where last_slot >= {start} and first_slot < {end}
        ) g join w on w.monitor_id = g.monitor_id group by g.monitor_id
    )
    """


def pending(*, start: str, end: str) -> str:
    """The common table of slots that have come and are not accounted for: in rounds under way, or not in one yet."""
    return f"""
    under_way as (
        select spec from jobs where state = 'queued' and queue = '{_QUEUE}'
        union all select spec from jobs where state = 'running' and queue = '{_QUEUE}'
        union all select spec from jobs where state in ('scheduled', 'retrying') and queue = '{_QUEUE}'
        union all select spec from jobs where kind = 'round' and settled_at is null
                                          and state in ('cancelled', 'expired', 'failed')
    ), handed_out as (
        select (v->>0)::uuid as monitor_id, timestamptz 'epoch' + (v->>2)::int8 * interval '1 ms' as slot
        from under_way cross join jsonb_array_elements(spec->'visits') v
        where coalesce((v->>3)::int, 0) = 0 and not coalesce((v->>4)::bool, false)
    ), pending as (
        select monitor_id, sum(slots)::int8 as pending from (
            select w.monitor_id, 1 as slots from handed_out h join w on w.monitor_id = h.monitor_id
            where h.slot >= {start} and h.slot < {end}
              and not exists (select from sample p where p.series_id = w.series_id and p.ts = h.slot)
              and not exists (select from slot_gaps g where g.monitor_id = w.monitor_id and g.first_slot = h.slot)
            union all
            select w.monitor_id, case when w.interval_ms is null then 1 else
                   floor(extract(epoch from {end} - c.next_slot) * 1000 / w.interval_ms)::int8 + 1 end
            from schedules c join w on w.monitor_id = c.monitor_id where c.next_slot < {end}
        ) each group by 1
    )
    """


def counted(segments: Sequence[Segment], *, first_place: int, of_all: bool) -> str:
    """The common table of slots with a sample, by series; each segment's ends are two values from `first_place` on.

    Where nearly all series are asked for, `of_all`, sums of others are made too: cheaper than to ask of each row.
    """
    parts = [
        _part(segment.source, f"${first_place + 2 * number}", f"${first_place + 2 * number + 1}", of_all=of_all)
        for number, segment in enumerate(segments)
    ]
    union = " union all ".join(parts) or "select 0 as series_id, 0 as n, 0 as error, 0 as late where false"
    return f"""
    sums as (
        select series_id, sum(n)::int8 as n, sum(error)::int8 as error, sum(late)::int8 as late
        from ({union}) part group by series_id
    )
    """


def _part(source: Source, start: str, end: str, *, of_all: bool) -> str:
    if source is Source.RAW:
        return f"""
        select p.series_id, count(*) as n, count(*) filter (where p.outcome = {_ERROR}) as error,
               count(*) filter (where p.outcome <> {_ERROR} and {_LAG} > {_LATE_MS}) as late
        from w join sample p on p.series_id = w.series_id where p.ts >= {start} and p.ts < {end} group by 1
        """
    return f"""
        select r.series_id, sum(r.up + r.degraded + r.down + r.error) as n, sum(r.error) as error, sum(r.late) as late
        from {_TABLES[source]} r {"" if of_all else "join w on w.series_id = r.series_id"}
        where r.metric = 0 and r.bucket >= {start} and r.bucket < {end} group by 1
    """
