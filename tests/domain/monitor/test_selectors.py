"""Which labels are selected."""

import pytest

from shared.domain.monitor.selectors import LabelSelector, parse_selector

LABELS = {"team": "web", "tier": "1", "note": "a:b"}


@pytest.mark.parametrize(
    ("terms", "is_selected"),
    [
        ([], True),
        (["team:web"], True),
        (["team:web", "tier:1"], True),
        (["team:web", "tier:2"], False),
        (["team:"], False),
        (["note:a:b"], True),
        (["tier"], True),
        (["zone"], False),
        (["!zone"], True),
        (["!tier"], False),
        (["!team:db"], True),
        (["!team:web"], False),
        (["!zone:a"], True),
        (["team:db", "team:web"], True),
    ],
)
def test_all_terms_have_to_hold(terms: list[str], is_selected: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """With a value, with any, or neither of them."""
    assert parse_selector(terms).selects(LABELS) is is_selected


def test_a_selector_is_read_into_its_parts() -> None:
    """What each term asks for."""
    selector = parse_selector(["team:web", "tier", "!zone:a", "!old"])
    assert selector == LabelSelector({"team": "web"}, ("tier",), (("zone", "a"),), ("old",))
