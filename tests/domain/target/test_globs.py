"""Globs of conditions."""

import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.target.globs import matches_glob


@pytest.mark.parametrize(
    ("text", "pattern", "matches"),
    [
        ("all ok here", "*ok*", True),
        ("ok", "*ok*", True),
        ("okay", "ok", False),
        ("ok", "o?", True),
        ("o", "o?", False),
        ("aXbYc", "a*b*c", True),
        ("ab", "a*b*b", False),
        ("aab", "*?b", True),
        ("[x]", "[x]", True),
        ("x", "[x]", False),
        ("line\nbreak", "line*b?eak", True),
        ("", "*", True),
        ("", "", True),
    ],
)
def test_star_stands_for_any_text_and_question_mark_for_one_character(text: str, pattern: str, matches: bool) -> None:  # noqa: FBT001
    """Brackets stand for themselves, as bodies are full of them."""
    assert matches_glob(text, pattern) is matches


@given(st.text(alphabet="ab", max_size=12), st.text(alphabet="ab*?", max_size=8))
def test_it_agrees_with_the_standard_library(text: str, pattern: str) -> None:
    """Where both know the syntax, the answers are equal."""
    assert matches_glob(text, pattern) == fnmatch.fnmatchcase(text, pattern)


def test_a_pattern_of_many_stars_does_not_explode() -> None:
    """Time grows with the text and never by backtracking."""
    started = time.process_time()
    assert not matches_glob("a" * 100_000, "*a" * 200 + "*b")
    assert time.process_time() - started < 1.0
