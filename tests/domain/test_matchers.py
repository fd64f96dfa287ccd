"""Matchers of labels, as Alertmanager writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.matchers import Matcher, Matchers, MatchOperator, parse_matchers

LABELS = {"team": "web", "host": "db1.example", "note": 'says "hi", twice'}

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)
PLAIN = st.sampled_from([MatchOperator.EQUAL, MatchOperator.UNEQUAL])


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("team=web", True),
        ("{team=web}", True),
        ('team="web", host=~"db.*"', True),
        ("team=web,host=db1.example", True),
        ("team=api", False),
        ("team!=api", True),
        ('host=~"db"', False),
        ('host=~"db1|db1.example"', True),
        ('host!~"db.*"', False),
        ("nothing=", True),
        ('nothing!=""', False),
        (r'note="says \"hi\", twice"', True),
    ],
)
def test_matchers_are_read_and_met(text: str, *, matches: bool) -> None:
    """Patterns match the whole value, an absent label has the empty one."""
    assert parse_matchers(text).matches(LABELS) is matches


@pytest.mark.parametrize(
    "text", ["team", "=web", "team=web,", "team==web", 'team="web', "team=web host=db", 'a=~"("', 'a="\0"']
)
def test_what_is_no_matcher_is_refused(text: str) -> None:
    """With a sentence that shows how it is written."""
    with pytest.raises(ValueError, match=r"write for example|separated by commas|not a pattern|NUL"):
        parse_matchers(text)


@given(st.lists(st.builds(Matcher, NAMES, PLAIN, VALUES), max_size=5))
def test_what_is_written_is_read_again(terms: list[Matcher]) -> None:
    """Whatever stands in the values."""
    assert parse_matchers(str(Matchers(tuple(terms)))).terms == tuple(terms)
