"""What a ping means."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from shared.domain.heartbeat.pings import Heartbeat, Ping, PingKind, hear
from shared.domain.monitor.schedules import Schedule
from shared.domain.target.outcome import Outcome

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
HOURLY = Heartbeat(Schedule(interval=HOUR), MINUTE)
FIRST, SECOND_RUN = UUID(int=1), UUID(int=2)


def test_a_success_is_up_until_the_period_and_the_grace_are_over() -> None:
    """Counted from the ping: who is early is expected early the next time too."""
    heard = hear(HOURLY, Ping(PingKind.SUCCESS, NOW), last_at=None)
    assert heard.look is not None
    assert (heard.look.outcome, heard.look.at, heard.look.covers_until) == (Outcome.UP, NOW, NOW + HOUR + MINUTE)
    assert heard.heartbeat.expected_at == NOW + HOUR + MINUTE


def test_a_cron_heartbeat_is_expected_at_its_next_time_across_daylight_saving() -> None:
    """At 9 in Berlin, which is 8 UTC in winter and 7 in summer."""
    daily = Heartbeat(Schedule(cron="0 9 * * *", timezone="Europe/Berlin"), MINUTE)
    before_the_change = datetime(2027, 3, 27, 9, tzinfo=UTC)
    assert daily.expected_after(before_the_change) == datetime(2027, 3, 28, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ping", "code", "message"),
    [
        (Ping(PingKind.FAIL, NOW), "ping_failed", "the ping said that the run has failed"),
        (Ping(PingKind.FAIL, NOW, message="disk full"), "ping_failed", "disk full"),
        (Ping(PingKind.FAIL, NOW, exit_status=3), "exit_status", "the run ended with exit status 3"),
    ],
)
def test_a_failure_is_down_with_what_was_told_of_it(ping: Ping, code: str, message: str) -> None:
    """At once; and the next ping is expected as after a success."""
    heard = hear(HOURLY, ping, last_at=None)
    assert heard.look is not None
    assert (heard.look.outcome, heard.look.code, heard.look.message) == (Outcome.DOWN, code, message)
    assert heard.heartbeat.expected_at == NOW + HOUR + MINUTE


def test_a_log_changes_nothing() -> None:
    """It is kept, and that is all."""
    waiting = replace(HOURLY, expected_at=NOW, started_at=NOW - SECOND)
    heard = hear(waiting, Ping(PingKind.LOG, NOW + HOUR), last_at=None)
    assert (heard.heartbeat, heard.look) == (waiting, None)


def test_a_run_has_to_end_within_the_grace() -> None:
    """A start says nothing of how it stands."""
    heard = hear(HOURLY, Ping(PingKind.START, NOW, FIRST), last_at=None)
    assert heard.look is None
    assert heard.heartbeat.expected_at == NOW + MINUTE
    assert (heard.heartbeat.started_at, heard.heartbeat.run_id) == (NOW, FIRST)


def test_who_starts_again_and_again_gets_no_more_time() -> None:
    """Otherwise a job that is restarted each minute and never ends would never be down."""
    running = hear(HOURLY, Ping(PingKind.START, NOW), last_at=None).heartbeat
    again = hear(running, Ping(PingKind.START, NOW + 50 * SECOND), last_at=None).heartbeat
    assert again.expected_at == NOW + MINUTE


@pytest.mark.parametrize("run_id", [FIRST, None])
def test_the_end_of_a_run_tells_how_long_it_took(run_id: UUID | None) -> None:
    """The latest run's, when the end does not say which one."""
    running = hear(HOURLY, Ping(PingKind.START, NOW, FIRST), last_at=None).heartbeat
    heard = hear(running, Ping(PingKind.SUCCESS, NOW + 30 * SECOND, run_id), last_at=None)
    assert heard.duration_ms == 30_000
    assert heard.heartbeat.started_at is None


def test_the_end_of_an_earlier_run_leaves_the_latest_one_its_time() -> None:
    """Two runs that overlap: the one that goes on still has to end within its grace."""
    running = hear(HOURLY, Ping(PingKind.START, NOW, SECOND_RUN), last_at=None).heartbeat
    ended = Ping(PingKind.SUCCESS, NOW + 10 * SECOND, FIRST)
    heard = hear(running, ended, last_at=None, begun_at=NOW - 20 * SECOND)
    assert heard.duration_ms == 30_000
    assert heard.heartbeat.started_at == NOW
    assert heard.heartbeat.expected_at == NOW + MINUTE


def test_a_duration_that_was_measured_elsewhere_is_taken() -> None:
    """Uptime Kuma's clients measure by themselves."""
    assert hear(HOURLY, Ping(PingKind.SUCCESS, NOW, told_ms=12.5), last_at=None).duration_ms == 12.5


def test_an_end_without_a_start_has_no_duration() -> None:
    """Nor has one whose start came after it."""
    assert hear(HOURLY, Ping(PingKind.SUCCESS, NOW, FIRST), last_at=None).duration_ms is None
    later = hear(HOURLY, Ping(PingKind.SUCCESS, NOW, FIRST), last_at=None, begun_at=NOW + SECOND)
    assert later.duration_ms is None


@pytest.mark.parametrize("kind", [PingKind.START, PingKind.SUCCESS, PingKind.FAIL])
def test_a_ping_that_was_overtaken_says_nothing(kind: PingKind) -> None:
    """What came later is newer."""
    pinged = hear(HOURLY, Ping(PingKind.SUCCESS, NOW), last_at=None).heartbeat
    heard = hear(pinged, Ping(kind, NOW - SECOND), last_at=NOW)
    assert (heard.heartbeat, heard.look) == (pinged, None)


def test_a_ping_that_was_judged_missing_on_its_way_counts_as_come_just_after() -> None:
    """It is the newest ping there is, and must not be dropped for a silence that it ends."""
    pinged = hear(HOURLY, Ping(PingKind.SUCCESS, NOW - HOUR), last_at=None).heartbeat
    heard = hear(pinged, Ping(PingKind.SUCCESS, NOW - SECOND), last_at=NOW)
    assert heard.look is not None
    assert heard.look.at == NOW + timedelta(milliseconds=1)
