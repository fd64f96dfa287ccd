"""Alerts explained in sentences."""

from dataclasses import replace

import pytest
from alert_data import MINUTE, START

from shared.domain.alert.alerts import AlertState
from shared.domain.alert.explaining import ExplainedAlert, explain_in_words
from shared.domain.notice.notices import NoticeState
from shared.domain.notice.owed import ChannelDebt, HeldBackBy, Owed, ToldNotice

FIRING = ExplainedAlert(
    name="slow",
    of="shop (web)",
    severity="warning",
    state=AlertState.FIRING,
    reason="met",
    started_at=START,
    fired_at=START,
    resolved_at=None,
    is_inbound=False,
    is_flapping=False,
    evidence={},
    now=None,
)
OVER = replace(FIRING, state=AlertState.RESOLVED, reason="monitor_paused", resolved_at=START + 5 * MINUTE)
DELIVERED = ToldNotice(NoticeState.DELIVERED, START + MINUTE, tries=1)
GIVEN_UP = ToldNotice(NoticeState.FAILED, START + MINUTE, tries=40, failure="the receiver answered 500")
SILENCE = (HeldBackBy("silence", "deploy", until=START + MINUTE),)


def told(alert: ExplainedAlert, channel: ChannelDebt) -> str:
    """What is said of a channel."""
    return explain_in_words(replace(alert, channels=[channel]), now=START + 6 * MINUTE)[-1]


@pytest.mark.parametrize(
    ("alert", "channel", "owed", "parts"),
    [
        (FIRING, ChannelDebt("ops"), Owed.FIRING, "ops: it is to be told that it fires."),
        (
            FIRING,
            ChannelDebt("ops", next_notice_at=START),
            Owed.FIRING,
            "ops: it is to be told that it fires, next at 2026-03-01 12:00:00 UTC.",
        ),
        (
            FIRING,
            ChannelDebt("ops", is_fire_told=True, fire=GIVEN_UP),
            Owed.RESOLVE_WHEN_OVER,
            [
                "ops: NOT told that it fires: given up after 40 tries: the receiver answered 500",
                "redeliver the notice",
                "it will be told when it is over.",
            ],
        ),
        (
            FIRING,
            ChannelDebt("ops", held_back_by=SILENCE),
            Owed.FIRING_IF_IT_LASTS,
            [
                'ops: not told that it fires because of a silence "deploy" until 2026-03-01 12:01:00 UTC',
                "it is told when that ends, if it fires still.",
            ],
        ),
        (
            OVER,
            ChannelDebt("ops", is_settled=True, held_back_by=SILENCE),
            Owed.NOTHING,
            'ops: never told: it was over before the end of a silence "deploy" until 2026-03-01 12:01:00 UTC.',
        ),
        (OVER, ChannelDebt("ops", is_settled=True), Owed.NOTHING, "ops: never told: the channel was deleted before."),
        (
            OVER,
            ChannelDebt("ops", is_fire_told=True),
            Owed.RESOLVE,
            [
                "ops: it was told that it fires, by a notice that is no longer kept",
                "it is still owed word that it is over.",
            ],
        ),
        (
            OVER,
            ChannelDebt("ops", is_fire_told=True, is_settled=True, fire=DELIVERED, resolve=DELIVERED),
            Owed.NOTHING,
            "ops: told that it fired and is over at 2026-03-01 12:01:00 UTC (1 try).",
        ),
        (
            OVER,
            ChannelDebt(
                "ops", is_fire_told=True, is_settled=True, fire=DELIVERED, resolve=ToldNotice(NoticeState.CANCELLED)
            ),
            Owed.NOTHING,
            [
                "ops: told that it fires at 2026-03-01 12:01:00 UTC (1 try)",
                "NOT told that it is over: somebody cancelled the notice.",
            ],
        ),
    ],
)
def test_each_channel_is_told_of_and_what_it_is_owed(
    alert: ExplainedAlert, channel: ChannelDebt, owed: Owed, parts: str | list[str]
) -> None:
    """What it was told, what not and why, and what follows."""
    assert channel.owed(alert.state) is owed
    assert told(alert, channel) == (parts if isinstance(parts, str) else "; ".join(parts))


def test_an_end_is_told_with_its_reason() -> None:
    """Also one that nobody was told of, because it never fired."""
    over = explain_in_words(OVER, now=START)[0]
    assert over.startswith('"slow" on shop (web) is over: it fired for 5m, until 2026-03-01 12:05:00 UTC')
    assert over.endswith("when it ended: its monitor was paused.")
    assert explain_in_words(replace(OVER, fired_at=None), now=START)[0].startswith(
        '"slow" on shop (web) never fired: its condition was met for 5m'
    )


def test_who_has_seen_it_and_that_it_flaps_is_told() -> None:
    """Before the numbers."""
    alert = replace(FIRING, is_flapping=True, acknowledged_by="ann", acknowledged_at=START)
    assert explain_in_words(alert, now=START + MINUTE)[1:3] == [
        "It came and went too often, and is kept firing until it has been quiet.",
        "ann has acknowledged it at 2026-03-01 12:00:00 UTC.",
    ]
