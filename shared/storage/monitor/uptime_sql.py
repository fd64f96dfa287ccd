"""The SQL of how monitors stand and how long they were in which state, of one or of all of them at once."""

from shared.domain.monitor.standing import JUDGED_STATES, LEAST_PATIENCE, STATE_CODES, MonitorState

_JUDGED = ", ".join(str(code) for code in sorted(state.code for state in JUDGED_STATES))
SUMMED = [state for state in STATE_CODES if state is not MonitorState.PENDING]
"""The states whose time is summed up; what is left of the whole is *pending*."""

IS_SILENT = f"""(s.state in ({_JUDGED}) and s.covered_until
    + greatest(2 * m.interval_ms, {LEAST_PATIENCE.total_seconds():.0f} * 1000) * interval '1 millisecond' <= $1)"""
"""Whether nothing came of a monitor `m` with its state `s` for longer than is borne, at `$1`."""

STATE_NOW = f"case when {IS_SILENT} then {MonitorState.NO_DATA.code} else s.state end"
"""The state as people are told it: silence is no data, whether or not somebody has noted it yet."""

SINCE_NOW = f"case when {IS_SILENT} then greatest(s.covered_until, s.since) else s.since end"
"""Since when that is so."""


def _micros(interval: str) -> str:
    """Whole microseconds as a double: their sums are exact up to 285 years, and quicker than those of intervals."""
    return f"round(date_part('epoch', {interval}) * 1e6)"


def _moved(state: MonitorState) -> str:
    """The time in a state as a window's changes tell it, counted from the window's start: its ends less its begins.

    What lasts beyond the last change is added by `_lasting`. So nothing has to be put in order.
    """
    return f"sum(case when x.previous_state = {state.code} then t when x.state = {state.code} then -t end) as {state}"


def _lasting(state: MonitorState) -> str:
    silence = " + silence" if state is MonitorState.NO_DATA else ""
    return f"coalesce({state}, 0) + case when kept_state = {state.code} then held else 0 end{silence} as {state}"


# A change that is ahead of `$1`, by another clock, is as one of this very moment.
_CHANGES = f"""
    select monitor_id, state, previous_state, {_micros("least(started_at, $1) - w.start")} as t from state_spans
    where started_at > w.start and previous_state is distinct from state"""
# Without the fence the planner would read all of a monitor's changes, and then look at their moments.
_OF_SOME = f"c cross join windows w cross join lateral ({_CHANGES} and monitor_id = c.monitor_id offset 0) x"
_OF_ALL = f"windows w cross join lateral ({_CHANGES}) x"

CHOSEN_COLUMNS = f"""
    m.monitor_id, m.created_at, s.state as kept_state, s.since as kept_since, {IS_SILENT} as is_silent,
    case when s.state in ({_JUDGED}) and s.covered_until < $1
         then least($1, greatest(s.covered_until, s.since)) else $1 end as known_until"""
"""What `uptimes` has to know of a monitor `m` with its state `s`, at `$1`."""


def uptimes(*, starts: str = "$2", is_of_all: bool) -> str:
    """CTEs that end in `uptimes`: the microseconds in each state, of each monitor of a CTE `c`, in each window.

    `c` has the `CHOSEN_COLUMNS`. `$1` is now and `starts` names an array of the windows' starts, numbered as `place`
    from 1. With `is_of_all` the changes of all monitors are read at once, which is quicker when most are chosen.
    """
    return f"""
    windows as (
        select * from unnest({starts}::timestamptz[]) with ordinality as w (start, place)
    ), moved as (
        select x.monitor_id, w.place, {", ".join(map(_moved, SUMMED))},
               count(*) filter (where x.previous_state = {MonitorState.DOWN.code}) as outages
        from {_OF_ALL if is_of_all else _OF_SOME} group by x.monitor_id, w.place
    ), edges as (
        select monitor_id, place, kept_state, {_micros("greatest(known_until - start, interval '0')")} as held,
               kept_state = {MonitorState.DOWN.code} and known_until > greatest(kept_since, start) as is_down,
               case when is_silent then {_micros("$1 - greatest(known_until, start)")} else 0 end as silence,
               greatest(0, {_micros("case when is_silent then $1 else known_until end - greatest(start, created_at)")})
                   as whole
        from c cross join windows
    ), uptimes as (
        select monitor_id, place, whole, {", ".join(map(_lasting, SUMMED))},
               coalesce(outages, 0) + is_down::int as outages
        from edges left join moved using (monitor_id, place)
    )"""
