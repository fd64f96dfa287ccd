"""Which events a filter lets through."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from shared.domain.alert.alerts import AlertState
from shared.domain.channel.channel_health import ChannelState
from shared.domain.job.jobs import JobKind, JobState
from shared.domain.job.leases import JobChange
from shared.domain.live import AlertTold, ChannelTold, LiveEvent, SampleTold, StateTold
from shared.domain.live_filters import LiveFilter, LiveType, MonitorFacts
from shared.domain.monitor.standing import MonitorState
from shared.domain.target.outcome import Outcome

MONITOR, JOB, OTHER = uuid4(), uuid4(), uuid4()
AT = datetime(2026, 11, 21, tzinfo=UTC)
SAMPLE = SampleTold(MONITOR, AT, Outcome.UP, 1.0)
STATE = StateTold(MONITOR, AT, MonitorState.DOWN)
QUEUED = JobChange(JOB, 1, JobState.QUEUED, JobKind.COLLECT)
FIRING = AlertTold(uuid4(), uuid4(), MONITOR, AlertState.FIRING, AT, "slow", "critical", "met")
SENT_IN = AlertTold(uuid4(), None, None, AlertState.FIRING, AT, "DiskFull", "page", "met")
FACTS = MonitorFacts("web", "http", {"team": "shop", "tier": "gold"})
ALL = (SAMPLE, STATE, QUEUED)


@pytest.mark.parametrize(
    ("wanted", "through"),
    [
        (LiveFilter(), ALL),
        (LiveFilter(types=frozenset({LiveType.SAMPLE})), (SAMPLE,)),
        (LiveFilter(types=frozenset({LiveType.STATE, LiveType.JOB})), (STATE, QUEUED)),
        (LiveFilter(ids=frozenset({MONITOR})), (SAMPLE, STATE)),
        (LiveFilter(ids=frozenset({JOB, OTHER})), (QUEUED,)),
        (LiveFilter(ids=frozenset({OTHER})), ()),
        (LiveFilter(kinds=frozenset({"http"})), (SAMPLE, STATE)),
        (LiveFilter(kinds=frozenset({"file", "collect"})), (QUEUED,)),
        (LiveFilter(states=frozenset({"down"})), (STATE,)),
        (LiveFilter(states=frozenset({"up", "queued"})), (QUEUED,)),
        (LiveFilter(group="web"), (SAMPLE, STATE)),
        (LiveFilter(group=""), ()),
        (LiveFilter(labels=(("team", "shop"),)), (SAMPLE, STATE)),
        (LiveFilter(labels=(("team", "shop"), ("tier", "gold"))), (SAMPLE, STATE)),
        (LiveFilter(labels=(("team", "shop"), ("tier", "silver"))), ()),
        (LiveFilter(group="web", types=frozenset({LiveType.STATE}), states=frozenset({"up"})), ()),
    ],
)
def test_what_is_named_has_to_be_there(wanted: LiveFilter, through: tuple[LiveEvent, ...]) -> None:
    """Of several values any will do; what an event does not have it cannot be asked for."""
    assert tuple(event for event in ALL if wanted.lets_through(event, FACTS)) == through


@pytest.mark.parametrize(
    "wanted",
    [LiveFilter(group="web"), LiveFilter(labels=(("team", "shop"),)), LiveFilter(kinds=frozenset({"http"}))],
)
def test_a_monitor_of_which_nothing_is_known_has_no_group(wanted: LiveFilter) -> None:
    """Such as one that was deleted meanwhile; without such a filter nothing has to be known."""
    assert wanted.needs_facts
    assert not wanted.lets_through(SAMPLE, None)
    assert LiveFilter(ids=frozenset({MONITOR})).lets_through(SAMPLE, None)


def test_a_channel_is_found_by_its_id_and_state() -> None:
    """It is nothing of a monitor, so that whoever asks for a group or labels does not hear of it."""
    told = ChannelTold(uuid4(), ChannelState.FAILING, AT, "ops")
    assert LiveFilter().lets_through(told, None)
    assert LiveFilter(ids=frozenset({told.channel_id}), states=frozenset({"failing"})).lets_through(told, None)
    assert not LiveFilter(states=frozenset({"firing"})).lets_through(told, None)
    for wanted in (LiveFilter(group="web"), LiveFilter(kinds=frozenset({"notify"})), LiveFilter(labels=(("a", "b"),))):
        assert not wanted.lets_through(told, None)


def test_an_alert_is_found_by_its_monitor() -> None:
    """And by what that monitor is; one that came from elsewhere by its own id alone."""
    of_monitor = LiveFilter(ids=frozenset({MONITOR}), types=frozenset({LiveType.ALERT}))
    assert of_monitor.lets_through(FIRING, FACTS)
    assert not of_monitor.lets_through(SENT_IN, None)
    assert LiveFilter(ids=frozenset({SENT_IN.alert_id}), states=frozenset({"firing"})).lets_through(SENT_IN, None)
    assert LiveFilter(group="web").lets_through(FIRING, FACTS)
    assert not LiveFilter(group="web").lets_through(SENT_IN, None)
    assert not LiveFilter(states=frozenset({"resolved"})).lets_through(FIRING, FACTS)


def test_a_job_of_an_unknown_kind_is_no_job_of_any_kind() -> None:
    """It was told by a process of an earlier version."""
    assert not LiveFilter(kinds=frozenset({"collect"})).lets_through(JobChange(JOB, 1, JobState.QUEUED), None)
