"""What becomes of a rule on a monitor: when samples come, when one of the two changes, when time has passed; pure."""

from dataclasses import replace
from datetime import datetime

from shared.domain.alert.alert_changes import AlertChange
from shared.domain.alert.alerts import AlertLife, Reason, Transition, end_alert
from shared.domain.judging.judgements import (
    CompiledRule,
    JudgedMonitor,
    JudgedPair,
    Judgement,
    MonitorNews,
    Stands,
)
from shared.domain.judging.pair_judging import NewId, PairJudging
from shared.domain.judging.window_codec import Windows, WindowShape, decode_windows
from shared.domain.sample.sample_columns import microseconds_of, moment_at


def judge_news(
    rule: CompiledRule, monitor: JudgedMonitor, kept: Judgement | None, news: MonitorNews, *, new_id: NewId
) -> JudgedPair:
    """Judge what a transaction wrote of a monitor; the judgement is None where nothing has to be written.

    Windows that are not filled yet, or were made for another condition, wait for the sweep, which is due at once.
    """
    judgement = kept or _begin(rule, monitor, news)
    if judgement.rule_version != rule.rule.version:
        judgement = replace(judgement, rule_version=rule.rule.version, latched=0)
    windows = windows_of(rule, judgement)
    if windows is None:
        waiting = replace(_unfilled(judgement), due_at=judgement.due_at or news.at)
        return JudgedPair(None if waiting == kept else waiting)
    judging = PairJudging(rule, monitor, judgement, windows, news.before, new_id, news.cause)
    judging.take(news)
    if kept is None and rule.program.is_of_state and not judging.changes:
        return JudgedPair(None)
    return JudgedPair(judging.done(), judging.changes)


def judge_standing(
    rule: CompiledRule, monitor: JudgedMonitor, kept: Judgement | None, stands: Stands, *, new_id: NewId
) -> JudgedPair:
    """Judge how a monitor stands, because it or the rule has changed: now, or as of the look that is under way.

    What is judged by samples is due from now on: the sweep judges it once those that are under way have come.
    """
    judgement = kept or Judgement(
        rule.rule_id, monitor.monitor_id, 0, monitor.version, AlertLife(judged_at=stands.now), due_at=stands.now
    )
    if judgement.rule_version != rule.rule.version:
        judgement = replace(judgement, rule_version=rule.rule.version, latched=0)
    judgement = replace(judgement, monitor_version=monitor.version)
    program = rule.program
    if program.is_of_state:
        judging = PairJudging(rule, monitor, judgement, Windows(0), stands.state, new_id, stands.cause)
        until = stands.looked_until(monitor)
        judging.judge_due(before=until)
        judging.judge(max(until, judgement.judged_at or until))
        is_nothing = kept is None and judging.life.state is None
        return JudgedPair(None if is_nothing else judging.done(), judging.changes)
    due_at = max(min(stands.now, judgement.due_at or stands.now), judgement.judged_at or stands.now)
    is_new = kept is None and stands.sampled_at is None
    if is_new and not program.absences:
        # Its first sample begins it, and nothing lies before that.
        return JudgedPair(None)
    if not is_new and (program.shape.specs or _decoded(program.shape, judgement) is not None):
        return JudgedPair(replace(judgement, due_at=due_at))
    windows = Windows.empty(program.shape, awaited_ms=microseconds_of(stands.heard_at) // 1000)
    awaiting = replace(judgement, due_at=due_at, filled_from=stands.now)
    return JudgedPair(_with_windows(awaiting, program.shape, windows))


def judge_due(
    rule: CompiledRule, monitor: JudgedMonitor, kept: Judgement, stands: Stands, *, new_id: NewId
) -> JudgedPair:
    """Judge what was due up to a moment; windows that were made for another condition are to be filled anew."""
    windows = windows_of(rule, kept)
    if windows is None:
        return JudgedPair(_unfilled(kept))
    judging = PairJudging(rule, monitor, kept, windows, stands.state, new_id, stands.cause)
    judging.judge_due(before=stands.now)
    return JudgedPair(judging.done(), judging.changes)


def judge_end(kept: Judgement, reason: Reason, *, at: datetime) -> JudgedPair:
    """End what a rule made of a monitor that it judges no more; nothing of it is remembered."""
    at = max(at, kept.judged_at or at)
    decision = end_alert(kept.life, reason, at=at)
    if decision.transition is Transition.NONE or kept.alert_id is None:
        return JudgedPair(None)
    change = AlertChange(kept.alert_id, decision.transition, reason, at, since=kept.life.since or at)
    return JudgedPair(None, [change])


def windows_of(rule: CompiledRule, judgement: Judgement) -> Windows | None:
    """The windows that are kept; None where they are to be filled first."""
    shape = rule.program.shape
    if rule.program.is_of_state:
        return Windows(0)
    if shape.specs and judgement.filled_from is None:
        return None
    windows = _decoded(shape, judgement)
    since = judgement.filled_from or judgement.judged_at
    if windows is None and since is not None and not (shape.specs and judgement.windows):
        return Windows.empty(shape, awaited_ms=microseconds_of(since) // 1000)
    return windows


def _begin(rule: CompiledRule, monitor: JudgedMonitor, news: MonitorNews) -> Judgement:
    """The first judgement of a monitor; one that has no samples but these has nothing to be filled with."""
    begun = Judgement(rule.rule_id, monitor.monitor_id, rule.rule.version, monitor.version, AlertLife())
    if news.is_first or not rule.program.shape.specs:
        return replace(begun, filled_from=min([news.at, *(sample.at for sample in news.samples)]))
    return replace(begun, life=AlertLife(judged_at=news.at))


def judge_filled(
    rule: CompiledRule, monitor: JudgedMonitor, kept: Judgement, windows: Windows, filled_from: datetime
) -> Judgement:
    """The judgement with windows that were filled from what is stored; it is due at their newest sample."""
    moments = [kept.due_at, kept.judged_at]
    if windows.newest_ms is not None:
        moments.append(moment_at(windows.newest_ms * 1000))
    filled = replace(
        kept,
        rule_version=rule.rule.version,
        monitor_version=monitor.version,
        due_at=max(moment for moment in moments if moment is not None),
        filled_from=filled_from,
    )
    return _with_windows(filled, rule.program.shape, windows)


def _decoded(shape: WindowShape, judgement: Judgement) -> Windows | None:
    return decode_windows(shape, judgement.windows, judgement.past)


def _with_windows(judgement: Judgement, shape: WindowShape, windows: Windows) -> Judgement:
    return replace(judgement, windows=windows.encode(shape), past=windows.encode_past(), is_past_new=True)


def _unfilled(judgement: Judgement) -> Judgement:
    """The judgement without its windows, which are to be filled anew."""
    return replace(judgement, filled_from=None, windows=b"", past=b"", is_past_new=bool(judgement.past))
