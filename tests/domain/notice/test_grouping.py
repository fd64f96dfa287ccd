"""Which alerts are told together, and when."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from shared.domain.channel.channels import ChannelOptions
from shared.domain.notice.grouping import AlertGroup, group_of, next_flush

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHANNEL = UUID(int=1)
OPTIONS = ChannelOptions(group_wait=timedelta(seconds=5), group_interval=timedelta(minutes=1))


def group(*group_by: str, channel_id: UUID = CHANNEL, fingerprint: bytes = b"a", **labels: str) -> AlertGroup:
    return group_of(channel_id, group_by=group_by, labels=labels, fingerprint=fingerprint)


def test_alerts_alike_in_the_labels_are_one_group() -> None:
    """Other labels, the order of names and the alert itself do not matter."""
    one = group("team", "site", team="web", site="x", host="a")
    assert one == group("site", "team", team="web", site="x", host="b", fingerprint=b"b")
    assert one.labels == {"site": "x", "team": "web"}


@pytest.mark.parametrize(
    "other",
    [
        group("team", team="db"),
        group("team", team=""),
        group("team"),
        group("team", "site", team="web"),
        group("team", team="web", channel_id=UUID(int=2)),
        group("...", team="web"),
    ],
    ids=["other value", "empty value", "no label", "other names", "other channel", "each alone"],
)
def test_other_groups_are_told_apart(other: AlertGroup) -> None:
    """A label that is not there is not an empty one, and each channel has its own groups."""
    assert group("team", team="web").group_id != other.group_id


def test_each_alert_alone_is_grouped_with_its_other_lives() -> None:
    """With three dots the fingerprint decides, and all labels are the group's."""
    assert group("...", host="a").group_id == group("...", host="a").group_id
    assert group("...", host="a").group_id != group("...", host="a", fingerprint=b"b").group_id
    assert group("...", host="a").labels == {"host": "a"}


@pytest.mark.parametrize(
    ("told", "has_more", "expected"),
    [
        (None, False, timedelta(seconds=5)),
        (timedelta(minutes=1), False, timedelta(seconds=5)),
        (timedelta(seconds=59), False, timedelta(seconds=1)),
        (timedelta(0), False, timedelta(minutes=1)),
        (timedelta(0), True, timedelta(0)),
    ],
    ids=["first", "after a quiet time", "late in the interval", "just told", "did not fit"],
)
def test_a_notice_waits_for_others_or_for_the_interval(
    *, told: timedelta | None, has_more: bool, expected: timedelta
) -> None:
    """What did not fit waits for nothing."""
    told_at = None if told is None else NOW - told
    assert next_flush(told_at=told_at, has_more=has_more, options=OPTIONS, now=NOW) == NOW + expected
