from typing import Any
from uuid import UUID

from shared.domain.monitor.monitor_plans import Action, Change, ExistingMonitor, comparable, plan_monitors
from shared.domain.monitor.monitors import MonitorSpec

OWNER = "shop"


def spec_of(name: str, **fields: Any) -> MonitorSpec:
    target = {"kind": "http", "url": "http://x/"}
    return MonitorSpec.model_validate({"name": name, "group": "web", "target": target, **fields})


def existing_of(*specs: MonitorSpec, owner: str | None = OWNER) -> dict[tuple[str, str], ExistingMonitor]:
    return {
        (spec.group, spec.name): ExistingMonitor(UUID(int=number), 1, comparable(spec), owner)
        for number, spec in enumerate(specs)
    }


def plan(
    existing: dict[tuple[str, str], ExistingMonitor], *wanted: MonitorSpec, adopts: bool = False
) -> tuple[Change, ...]:
    return plan_monitors(existing, wanted, owner=OWNER, adopts=adopts).changes


def test_what_is_new_is_made_what_is_gone_is_deleted_what_differs_is_changed() -> None:
    """In the order of names, with the fields that differ."""
    existing = existing_of(spec_of("a"), spec_of("b"), spec_of("c", labels={"team": "x"}))
    made = plan(existing, spec_of("d"), spec_of("c", labels={"team": "y"}, confirmations=3), spec_of("a"))
    assert [(change.action, change.key[1]) for change in made] == [
        (Action.DELETE, "b"),
        (Action.UPDATE, "c"),
        (Action.CREATE, "d"),
    ]
    assert [(f.field, f.before, f.after) for f in made[1].fields] == [
        ("confirmations", 1, 3),
        ("labels.team", "x", "y"),
    ]


def test_what_is_the_same_is_left_alone_however_it_is_written() -> None:
    """Defaults written out are the defaults."""
    wanted = spec_of("a", interval="60s", timezone="UTC", target={"kind": "http", "url": "http://x/", "method": "GET"})
    planned = plan_monitors(existing_of(spec_of("a")), [wanted], owner=OWNER, adopts=False)
    assert (planned.changes, planned.unchanged) == ((), 1)


def test_secrets_are_compared_and_not_shown() -> None:
    """A changed password is a change, masked on both sides."""

    def secret(value: str) -> MonitorSpec:
        return spec_of("a", target={"kind": "http", "url": "http://x/", "headers": {"Authorization": value}})

    assert plan(existing_of(secret("one")), secret("one")) == ()
    (change,) = plan(existing_of(secret("one")), secret("two"))
    assert [(f.field, f.before, f.after) for f in change.fields] == [("target.headers.Authorization", "***", "***")]
    assert "one" not in repr(change.fields)


def test_addresses_are_shown_without_their_secrets() -> None:
    """A reader of the plan wants to see what is not secret of an address; where only a secret differs, `***`."""

    def at(url: str) -> MonitorSpec:
        return spec_of("a", target={"kind": "http", "url": url})

    (moved,) = plan(existing_of(at("http://me:one@x/?token=two")), at("http://me:one@y/?token=two"))
    assert [(f.field, f.before, f.after) for f in moved.fields] == [
        ("target.url", "http://x/?token=***", "http://y/?token=***")
    ]
    (rotated,) = plan(existing_of(at("http://me:one@x/?token=two")), at("http://me:three@x/?token=two"))
    assert [(f.field, f.before, f.after) for f in rotated.fields] == [("target.url", "***", "***")]


def test_what_others_own_is_a_conflict_unless_it_is_adopted() -> None:
    """Also what was made by hand; and nothing of others is ever deleted."""
    existing = existing_of(spec_of("a"), owner=None) | existing_of(spec_of("z"), owner="other")
    (conflict,) = plan(existing, spec_of("a"))
    assert (conflict.action, conflict.reason) == (Action.CONFLICT, "it was made by hand; adopt it to take it over")
    (adopted,) = plan(existing, spec_of("a"), adopts=True)
    assert [(f.field, f.before, f.after) for f in adopted.fields] == [("owner", None, OWNER)]


def test_a_kind_is_never_changed() -> None:
    """The history is of another kind."""
    other = spec_of("a", target={"kind": "file", "path": "/tmp/x"})
    (conflict,) = plan(existing_of(spec_of("a")), other, adopts=True)
    assert conflict.action is Action.CONFLICT


def _sending(key: str) -> dict[str, Any]:
    return {"kind": "http", "url": "http://x/", "headers": {"X-Key": key}}


def test_a_plan_is_told_from_another_one() -> None:
    """By what is there and what is wanted, also where both are secret."""

    def digest(before: str, after: str) -> str:
        headers = [spec_of("a", target=_sending(value)) for value in (before, after)]
        return plan_monitors(existing_of(headers[0]), headers[1:], owner=OWNER, adopts=False).digest

    assert digest("1", "2") == digest("1", "2")
    assert len({digest("1", "2"), digest("1", "3"), digest("1", "1")}) == 3


def test_a_digest_tells_nothing_of_what_was_sent_masked() -> None:
    """Else a weak password that is kept could be guessed by it, one try after the other."""

    def digest(kept: str) -> str:
        before = spec_of("a", target=_sending(kept))
        filled, sent = (spec_of("a", description="new", target=_sending(value)) for value in (kept, "***"))
        return plan_monitors(existing_of(before), [filled], owner=OWNER, adopts=False, sent=[sent]).digest

    assert digest("tiger") == digest("lion")


def test_a_file_that_says_nothing_of_pausing_leaves_it_as_it_is() -> None:
    """Whoever paused by hand is not overruled, unless the file says so."""
    existing = existing_of(spec_of("a", paused=True))
    assert plan(existing, spec_of("a")) == ()
    (change,) = plan(existing, spec_of("a", paused=False))
    assert [(f.field, f.before, f.after) for f in change.fields] == [("paused", True, False)]
