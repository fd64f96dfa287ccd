"""The moments that news of a monitor ask a rule to judge, in their order; pure."""

from datetime import datetime

from shared.domain.judging.judgements import MonitorNews, NewSample
from shared.domain.monitor.standing import StateChange

Moment = tuple[datetime, list[NewSample], StateChange | None]
"""A moment, the samples of it, and the change of state that comes with it, if one does."""


def moments_of(news: MonitorNews, judged_at: datetime | None, *, is_of_state: bool) -> list[Moment]:
    """The moments to be judged, in their order.

    A state that begins before what was judged already, because it had to be confirmed, counts from the look on that
    found it: it is never lost.
    """
    moments: dict[datetime, Moment] = {}
    if not is_of_state:
        for sample in news.samples:
            if judged_at is None or sample.at >= judged_at:
                moments.setdefault(sample.at, (sample.at, [], None))[1].append(sample)
    for change in news.changes:
        at = change.at
        if judged_at is not None and at < judged_at:
            at = max(news.at, judged_at)
        _, samples, _ = moments.get(at, (at, [], None))
        moments[at] = (at, samples, change)
    return sorted(moments.values(), key=lambda moment: moment[0])
