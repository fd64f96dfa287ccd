"""What holds a firing back, against a plain model of what Alertmanager does."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.channel.channels import ChannelOptions, QuietHours
from shared.domain.matchers import parse_matchers
from shared.domain.suppression.inhibitions import Cause, Inhibition, standing_of
from shared.domain.suppression.suppressions import Span, SuppressionFacts, SuppressionKind, suppressions_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
OPTIONS = ChannelOptions()

NAMES = ["role", "site", "team"]
LABELS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["", "a", "b"]), max_size=3)
TERMS = st.tuples(st.sampled_from(NAMES), st.sampled_from(["=", "!=", "=~"]), st.sampled_from(["a", "b", "a|b"]))
MATCHERS = st.lists(TERMS, max_size=2)
Terms = Sequence[tuple[str, str, str]]


def id_of(number: int) -> UUID:
    """The id with this number."""
    return UUID(int=number + 1)


def inhibition(
    *, target: str, source: str | None = None, depends_on: str | None = None, equal: Sequence[str] = ()
) -> Inhibition:
    """An inhibition called `why`."""
    return Inhibition(
        id_of(99),
        "why",
        None if source is None else parse_matchers(source),
        None if depends_on is None else parse_matchers(depends_on),
        parse_matchers(target),
        tuple(equal),
        NOW,
        "tests",
    )


def text_of(terms: Terms) -> str:
    """The terms as they are written."""
    return ", ".join(f'{name}{operator}"{value}"' for name, operator, value in terms)


def meets(terms: Terms, labels: Mapping[str, str]) -> bool:
    """Whether labels meet the terms, by the words of Alertmanager's manual."""
    for name, operator, value in terms:
        given = labels.get(name, "")
        found = given in value.split("|") if operator == "=~" else given == value
        if found == (operator == "!="):
            return False
    return True


@given(MATCHERS, MATCHERS, st.lists(st.sampled_from(NAMES), unique=True), st.lists(LABELS, max_size=5))
def test_inhibition_is_as_in_alertmanager(
    source: Terms, target: Terms, equal: Sequence[str], alerts: Sequence[Mapping[str, str]]
) -> None:
    """Of all alerts that fire those are inhibited that Alertmanager inhibits, by one that it would take for it."""
    causes = [Cause(id_of(place), labels) for place, labels in enumerate(alerts)]
    standing = standing_of(inhibition(source=text_of(source), target=text_of(target), equal=equal), causes)
    for labels in alerts:
        is_both = meets(source, labels) and meets(target, labels)
        allowed = {
            id_of(place)
            for place, other in enumerate(alerts)
            if meets(source, other)
            and all(other.get(name, "") == labels.get(name, "") for name in equal)
            and not (is_both and meets(source, other) and meets(target, other))
        }
        found = standing.find_cause(labels)
        if meets(target, labels) and allowed:
            assert found is not None
            assert found.cause_id in allowed
        else:
            assert found is None


@given(MATCHERS, MATCHERS, st.lists(LABELS, min_size=1, max_size=5))
def test_of_alerts_that_fire_one_is_told(source: Terms, target: Terms, alerts: Sequence[Mapping[str, str]]) -> None:
    """Whatever one inhibition holds back, it leaves something to be told."""
    causes = [Cause(id_of(place), labels) for place, labels in enumerate(alerts)]
    standing = standing_of(inhibition(source=text_of(source), target=text_of(target)), causes)
    assert any(standing.find_cause(labels) is None for labels in alerts)


def monitor(name: str, **labels: str) -> dict[str, str]:
    """A monitor's labels, in the group `net`."""
    return {**labels, "monitor": name, "group": "net", "kind": "http"}


def dependency(
    down: Mapping[str, str], *, target: str, equal: Sequence[str] = ("site",), depends_on: str = "role=router"
) -> SuppressionFacts:
    """Facts by which one monitor is down that others depend on."""
    rule = inhibition(depends_on=depends_on, target=target, equal=equal)
    return SuppressionFacts(inhibitions=(standing_of(rule, [Cause(id_of(7), down)]),))


def kinds_of(labels: Mapping[str, str], facts: SuppressionFacts) -> list[SuppressionKind]:
    """What holds a critical alert back."""
    return [each.kind for each in suppressions_of(labels, "critical", facts, OPTIONS, NOW)]


def test_what_depends_on_a_monitor_that_is_down_is_held_back_where_labels_are_equal() -> None:
    """At the router's site; elsewhere nothing is."""
    facts = dependency(monitor("r1", role="router", site="ams"), target="role=app")
    here = monitor("shop", role="app", site="ams") | {"alertname": "down", "severity": "critical"}
    assert kinds_of(here, facts) == [SuppressionKind.DEPENDENCY]
    assert kinds_of(here | {"site": "fra"}, facts) == []


def test_a_monitor_does_not_depend_on_itself() -> None:
    """Though its alert is a target, and though the rule gave the alert another role."""
    router = monitor("r1", role="router", site="ams")
    facts = dependency(router, target="severity=critical")
    for role in ("router", "core"):
        assert kinds_of(router | {"severity": "critical", "role": role}, facts) == []


def test_of_two_monitors_that_others_depend_on_none_hides_the_other() -> None:
    """When both are down both are told; what depends on them is held back."""
    facts = dependency(monitor("r1", role="router", site="ams"), target="severity=critical")
    assert kinds_of(monitor("r2", role="router", site="ams") | {"severity": "critical"}, facts) == []
    assert kinds_of(monitor("shop", role="app", site="ams") | {"severity": "critical"}, facts) != []


def test_a_middle_tier_depends_on_the_first_only() -> None:
    """One that depends and is depended on is held back by what is no target itself."""
    facts = dependency(monitor("r1", tier="1"), target='tier=~"2|3"', depends_on='tier=~"1|2"', equal=())
    assert kinds_of(monitor("r2", tier="2"), facts) == [SuppressionKind.DEPENDENCY]
    facts = dependency(monitor("other", tier="2"), target='tier=~"2|3"', depends_on='tier=~"1|2"', equal=())
    assert kinds_of(monitor("r2", tier="2"), facts) == []
    assert kinds_of(monitor("r3", tier="3"), facts) == [SuppressionKind.DEPENDENCY]


def test_all_that_holds_back_is_told() -> None:
    """With its id, its name and its end: silence, maintenance, inhibition and quiet hours."""
    every = parse_matchers("site=ams")
    facts = SuppressionFacts(
        silences=(Span(id_of(1), "known", every, LATER), Span(id_of(2), "other", parse_matchers("site=fra"), LATER)),
        maintenances=(Span(id_of(3), "patching", every, LATER),),
        inhibitions=(
            standing_of(inhibition(source="alertname=dc", target=""), [Cause(id_of(4), {"alertname": "dc"})]),
        ),
    )
    options = ChannelOptions(quiet_hours=[QuietHours(start="11:00", end="13:30")])
    found = suppressions_of(monitor("shop", site="ams"), "warning", facts, options, NOW)
    assert [(each.kind.value, each.name, each.id, each.until) for each in found] == [
        ("silence", "known", str(id_of(1)), LATER),
        ("maintenance", "patching", str(id_of(3)), LATER),
        ("inhibition", "why", str(id_of(4)), None),
        ("quiet_hours", "quiet hours", None, NOW + timedelta(hours=1, minutes=30)),
    ]


@given(st.lists(MATCHERS, max_size=6), LABELS)
def test_each_silence_that_matches_is_found(silences: Sequence[Terms], labels: Mapping[str, str]) -> None:
    """However they are looked for, and each once."""
    spans = [Span(id_of(place), "", parse_matchers(text_of(terms)), LATER) for place, terms in enumerate(silences)]
    expected = [str(id_of(place)) for place, terms in enumerate(silences) if meets(terms, labels)]
    found = suppressions_of(labels, "critical", SuppressionFacts(silences=tuple(spans)), OPTIONS, NOW)
    assert sorted(str(each.id) for each in found) == sorted(expected)


def test_maintenance_is_of_monitors() -> None:
    """An alert that was sent in is on none, so that a window of all monitors leaves it alone."""
    facts = SuppressionFacts(maintenances=(Span(id_of(3), "all", parse_matchers(""), LATER),))
    assert kinds_of({"alertname": "sent in"}, facts) == []
    assert kinds_of(monitor("shop"), facts) == [SuppressionKind.MAINTENANCE]
