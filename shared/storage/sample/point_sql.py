"""The parts of SQL that roll-ups and statistics share: a sample's value, its slot, and sums over both."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row

from shared.domain.monitor.slots import LATE_AFTER
from shared.domain.sample.sketch import EMPTY, FIRST_BUCKET, SLOTS_PER_E, SMALLEST, Sketch
from shared.domain.sample.summary import Summary
from shared.domain.target.outcome import Outcome

VALUE = f"""case when s.outcome = {Outcome.ERROR.code} then null
                 when c.place = 0 then s.value else s.extras[c.place] end"""
"""The value of sample `s` for the metric at `c.place`; NULL where absent or where the sample is our own error."""

IS_LATE = f"""c.lag_place is not null and s.outcome <> {Outcome.ERROR.code}
              and coalesce(s.extras[c.lag_place] > {LATE_AFTER / timedelta(milliseconds=1)!r}, false)"""
"""Whether sample `s` was begun late, where `c.lag_place` says where its lag is kept; our own errors are only errors."""

SLOT = f"""case when v is null then null
                when abs(v) < {SMALLEST!r}::float8 then 0
                else (sign(v) * (ceil(ln(abs(v)) * {SLOTS_PER_E!r}::float8) - ({FIRST_BUCKET})))::int4 end"""
"""The slot of value `v`: `shared.domain.sample.sketch.slot_of`, step by step in the same floating-point operations."""

_NEWEST = "max(array[date_part('epoch', {at}), {value}]) filter (where {value} is not null)"


def slots_with_sums(keys: str, *, flags: Sequence[str] = ()) -> str:
    """Sums and sketch of `points` (`keys`, ts, outcome, v) in one pass: first per slot, then per `keys`.

    `flags` are further boolean columns of the points, of which those that are true are counted under their names.
    """
    outcomes = "".join(f", count(*) filter (where outcome = {each.code}) {each.value}" for each in Outcome)
    outcomes += "".join(f", count(*) filter (where {flag}) {flag}" for flag in flags)
    sums = "".join(f", sum({name})::int8 {name}" for name in (*(each.value for each in Outcome), *flags))
    return f"""
    slotted as (
        select {keys}, {SLOT} slot{outcomes}, count(v) n, sum(v) total, min(v) low, max(v) high,
               {_NEWEST.format(at="ts", value="v")} newest
        from points group by {keys}, slot
    )
    select {keys}{sums}, sum(n)::int8 value_count, sum(total) value_sum, min(low) value_min, max(high) value_max,
           max(newest) newest, array_agg(slot order by slot) filter (where slot is not null) slots,
           array_agg(n order by slot) filter (where slot is not null) counts
    from slotted group by {keys}
    """


def merged_sums() -> str:
    """Columns with the sums of roll-ups `r`, and their sketches as an array."""
    sums = "".join(f"sum(r.{each.value})::int8 {each.value}, " for each in Outcome)
    return f"""{sums}sum(r.value_count)::int8 value_count, sum(r.value_sum) value_sum, min(r.value_min) value_min,
               max(r.value_max) value_max, {_NEWEST.format(at="r.latest_at", value="r.latest")} newest,
               array_agg(r.sketch) filter (where r.sketch is not null) sketches"""


def sketch_of(row: Row[Any]) -> Sketch:
    """The sketch of a row of `slots_with_sums`."""
    return Sketch.from_counts(row.slots, row.counts) if row.slots else EMPTY


def summary_of(row: Row[Any], sketch: Sketch) -> Summary:
    """The summary of a row with sums."""
    newest: Sequence[float] | None = row.newest
    return Summary(
        outcomes={Outcome.UP: row.up, Outcome.DEGRADED: row.degraded, Outcome.DOWN: row.down, Outcome.ERROR: row.error},
        value_count=row.value_count,
        value_sum=row.value_sum or 0.0,
        value_min=row.value_min,
        value_max=row.value_max,
        latest=newest[1] if newest else None,
        latest_at=datetime.fromtimestamp(newest[0], UTC) if newest else None,
        sketch=sketch,
    )
