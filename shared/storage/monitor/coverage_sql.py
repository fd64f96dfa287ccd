"""The SQL of coverage: what became of slots, read from roll-ups, samples, gaps and the rounds that are under way."""

from collections.abc import Sequence

from shared.domain.job.jobs import JobKind
from shared.domain.monitor.slots import LATE_AFTER, GapReason
from shared.domain.sample.segments import Segment, Source
from shared.domain.target.kinds import METRICS
from shared.domain.target.outcome import Outcome
from shared.storage.job.job_store import QUEUE_OF

COUNTS = ("on_time", "late", "error", "pending", *(f"missed_{reason.value}" for reason in GapReason))
"""The columns that count slots."""

_QUEUE = QUEUE_OF[JobKind.ROUND]
_LATE_MS = LATE_AFTER.total_seconds() * 1000
_ERROR = Outcome.ERROR.code
_LAG_PLACES = {kind: metrics.index("lag_ms") + 1 for kind, metrics in METRICS.items() if "lag_ms" in metrics}
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

    Where nearly all series are asked for, `of_all`, sums of others are made too: cheaper than to ask of each row. Then
    four arrays follow as values, the sums of closed segments as `closed_sums` has them.
    """
    parts = [
        _part(segment.source, f"${first_place + 2 * number}", f"${first_place + 2 * number + 1}", of_all=of_all)
        for number, segment in enumerate(segments)
    ]
    if of_all:
        first = first_place + 2 * len(segments)
        arrays = f"${first}::int4[], ${first + 1}::int8[], ${first + 2}::int8[], ${first + 3}::int8[]"
        parts.append(f"select * from unnest({arrays}) as closed (series_id, n, error, late)")
    return f"sums as ({_summed(parts)})"


def closed_sums(segments: Sequence[Segment]) -> str:
    """The statement that sums up hours and days of all series; each segment's ends are two values."""
    return _summed(
        [
            _part(segment.source, f"${2 * number + 1}", f"${2 * number + 2}", of_all=True)
            for number, segment in enumerate(segments)
        ]
    )


def _summed(parts: Sequence[str]) -> str:
    union = " union all ".join(parts) or "select 0 as series_id, 0 as n, 0 as error, 0 as late where false"
    return f"""
        select series_id, sum(n)::int8 as n, sum(error)::int8 as error, sum(late)::int8 as late
        from ({union}) part group by series_id
    """


def _part(source: Source, start: str, end: str, *, of_all: bool) -> str:
    if source is Source.RAW:
        return _raw_part(start, end, of_all=of_all)
    return f"""
        select r.series_id, sum(r.up + r.degraded + r.down + r.error) as n, sum(r.error) as error, sum(r.late) as late
        from {_TABLES[source]} r {"" if of_all else "join w on w.series_id = r.series_id"}
        where r.metric = 0 and r.bucket >= {start} and r.bucket < {end} group by 1
    """


def _raw_part(start: str, end: str, *, of_all: bool) -> str:
    """Which metric tells of lateness depends on the kind; that is asked of each series, not of each sample."""
    places = sorted(set(_LAG_PLACES.values()))
    is_late = f"p.outcome <> {_ERROR} and p.extras[{{place}}] > {_LATE_MS}"
    late = ", ".join(f"count(*) filter (where {is_late.format(place=place)}) as late_{place}" for place in places)
    whens = " ".join(f"when '{kind}' then late_{place}" for kind, place in _LAG_PLACES.items())
    return f"""
        select series_id, n, error, case w.kind {whens} end as late from (
            select p.series_id, count(*) as n, count(*) filter (where p.outcome = {_ERROR}) as error, {late}
            from {"" if of_all else "w join"} sample p {"" if of_all else "on p.series_id = w.series_id"}
            where p.ts >= {start} and p.ts < {end} group by 1
        ) counts join w using (series_id)
    """
