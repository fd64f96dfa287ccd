"""Tests of rules as files: read, and held to the rules."""

from textwrap import dedent

import pytest

from shared.domain.rule.rule_series import MAX_SLOTS, SeriesError, Slot, combine, read_series
from shared.domain.rule.rule_test_run import run_test
from shared.domain.rule.rule_tests import RuleTestFileError, read_rule_tests
from shared.domain.target.outcome import Outcome

UP, DOWN = Outcome.UP, Outcome.DOWN


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("400", [Slot(UP, 400)]),
        ("1.5x2 -3", [Slot(UP, 1.5), Slot(UP, 1.5), Slot(UP, -3)]),
        ("0+10x3", [Slot(UP, 0), Slot(UP, 10), Slot(UP, 20)]),
        ("5-2x2", [Slot(UP, 5), Slot(UP, 3)]),
        ("_x2 1e3", [None, None, Slot(UP, 1000)]),
        ("down degraded:900x2", [Slot(DOWN), *[Slot(Outcome.DEGRADED, 900)] * 2]),
    ],
)
def test_series_are_written_in_few_words(text: str, slots: list[Slot | None]) -> None:
    """Numbers, how often, by how much they grow, gaps and outcomes."""
    assert read_series(text) == slots


@pytest.mark.parametrize("text", ["", "4oo", "x5", "100x", "up:", "1++2", "_:3", f"1x{MAX_SLOTS + 1}", "1x9999999"])
def test_what_is_no_series_is_refused(text: str) -> None:
    """And nothing is made of it that would not fit into memory."""
    with pytest.raises(SeriesError):
        read_series(text)


def test_series_of_several_metrics_make_one_sample() -> None:
    """The worst outcome of a slot counts; a slot without any is a gap."""
    found = list(combine([read_series("1 2 _ _"), read_series("7 down:8")]))
    assert found == [(UP, [1, 7]), (DOWN, [2, 8]), None, None]


def misses(text: str) -> list[list[str]]:
    """What a file's first test misses: missing and unexpected alerts, each as state and rule."""
    written = read_rule_tests("rules.yaml", dedent(text), {})
    found = run_test(written.content.rules, written.content.tests[0])
    return [
        [f"-{each.state} {each.rule}" for each in miss.missing]
        + [f"+{each.state} {each.rule}" for each in miss.unexpected]
        for miss in found
    ]


SHOP = """
    rules:
      - {name: slow, selector: team=web, expression: "mean(duration_ms, 2m) > 300", for: 1m}
      - {name: down, expression: state == down, severity: critical}
      - {name: silent, expression: absent(3 intervals)}
    tests:
      - name: a bad evening
        interval: 30s
        monitors:
          - {name: shop, labels: {team: web}, values: 100x4 900x6 down _x8}
          - {name: other, values: 100x60}
        expect:
"""


def test_what_is_expected_holds() -> None:
    """Pending and firing, by each of the rules; where nothing is known what fired goes on."""
    expect = """
          - {at: 1m30s, alerts: []}
          - {at: 2m30s, alerts: [{rule: slow, monitor: shop, state: pending}]}
          - {at: 3m30s, alerts: [{rule: slow, monitor: shop, labels: {team: web, severity: warning}}]}
          - {at: 5m, alerts: [{rule: slow, monitor: shop}, {rule: down, monitor: shop}]}
          - at: 10m
            alerts: [{rule: slow, monitor: shop}, {rule: down, monitor: shop}, {rule: silent, monitor: shop}]
    """
    assert misses(SHOP + expect) == []


def test_what_does_not_hold_is_told() -> None:
    """What is missing, and what is there instead; a label that differs is both."""
    expect = """
          - {at: 1m30s, alerts: [{rule: slow, monitor: shop}]}
          - {at: 2m30s, alerts: [{rule: slow, monitor: shop}]}
          - {at: 3m30s, alerts: []}
          - {at: 4m, alerts: [{rule: slow, monitor: shop, labels: {team: data}}]}
    """
    assert misses(SHOP + expect) == [
        ["-firing slow"],
        ["-firing slow", "+pending slow"],
        ["+firing slow"],
        ["-firing slow", "+firing slow"],
    ]


def test_states_may_be_given() -> None:
    """Where the samples' outcomes are not what the test is about."""
    text = """
    rules: [{name: down, expression: state == down}]
    tests:
      - name: given
        monitors: [{name: m, states: {0s: up, 90s: down, 2m: up}}]
        expect:
          - {at: 1m, alerts: []}
          - {at: 90s, alerts: [{rule: down, monitor: m}]}
          - {at: 2m, alerts: []}
    """
    assert misses(text) == []


def test_silence_becomes_no_data() -> None:
    """As live: from when the last knowledge ended, once that has lasted."""
    text = """
    rules: [{name: dark, expression: state == no_data}]
    tests:
      - name: silence
        monitors: [{name: m, values: 100x3}]
        expect:
          - {at: 2m, alerts: []}
          - {at: 10m, alerts: [{rule: dark, monitor: m}]}
    """
    assert misses(text) == []


@pytest.mark.parametrize(
    ("change", "mistakes"),
    [
        (("state == down", "state == down)"), ["4:34: expression: column 14"]),
        (("severity: critical", "sevrity: critical"), ["4:58: sevrity: there is no such field"]),
        (("name: down", "name: slow"), ["4:16: name: there is a rule of this name in the file already"]),
        (("100x60", "1oo"), ['11:35: monitors.values.duration_ms: word 1, "1oo"']),
        (("values: 100x60", "values: {colour: 5}"), ['11:44: monitors.values.colour: http has no metric "colour"']),
        (("name: other", "name: shop"), ["11:20: monitors.name: there is a monitor of this name"]),
        (("at: 1m", "at: soon"), ['13:18: expect.at: "soon" is no duration']),
        (("rule: slow", "rule: slov"), ['13:38: expect.alerts.rule: there is no rule "slov"']),
        (("monitor: shop", "monitor: chop"), ['13:53: expect.alerts.monitor: there is no monitor "chop"']),
        (("interval: 30s", "interval: [30s"), ["9:17: "]),
        (("mean(duration_ms", "mean(colour"), ["3:54: expression: "]),
    ],
)
def test_mistakes_are_told_with_their_places(change: tuple[str, str], mistakes: list[str]) -> None:
    """Line and column, and what is wrong."""
    text = SHOP + "          - {at: 1m, alerts: [{rule: slow, monitor: shop}]}\n"
    assert change[0] in text
    with pytest.raises(RuleTestFileError) as caught:
        read_rule_tests("f", text.replace(*change, 1), {})
    told = [str(each).removeprefix("f:") for each in caught.value.mistakes]
    assert len(told) == len(mistakes), told
    assert all(each.startswith(start) for each, start in zip(told, mistakes, strict=True)), told


@pytest.mark.parametrize("text", ["", "[]", "rules: []\ntests: []", "rules: 5", "tests:\n  - 7\nrules:\n  - x"])
def test_any_text_is_read_or_refused(text: str) -> None:
    """With at least one mistake told."""
    with pytest.raises(RuleTestFileError) as caught:
        read_rule_tests("f", text, {})
    assert caught.value.mistakes
