"""Cursors."""

import pytest

from api.cursors import Cursors
from api.problems import ProblemError

CURSORS = Cursors(b"secret")


def test_a_cursor_leads_on_from_its_place() -> None:
    """What was written is read with the same query."""
    cursor = CURSORS.write(b"place", query="/jobs?kind=collect")
    assert Cursors(b"secret").read(cursor, query="/jobs?kind=collect") == b"place"


@pytest.mark.parametrize("query", ["/jobs?", "/jobs?kind=notify", "/other?kind=collect"])
def test_a_cursor_of_another_query_is_refused(query: str) -> None:
    """A cursor belongs to its filters: with others it would skip or repeat items."""
    cursor = CURSORS.write(b"place", query="/jobs?kind=collect")
    with pytest.raises(ProblemError) as refused:
        CURSORS.read(cursor, query=query)
    assert refused.value.kind.name == "invalid-cursor"


@pytest.mark.parametrize("cursor", ["", "a", "abcd", "ä", "=", "A" * 24, "A" * 499, "%00", "a b"])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    """Nothing that we have not signed is taken for a place."""
    with pytest.raises(ProblemError):
        CURSORS.read(cursor, query="/jobs?")


def test_a_cursor_of_another_installation_is_refused() -> None:
    """The signature is the installation's own."""
    cursor = Cursors(b"other").write(b"place", query="/jobs?")
    with pytest.raises(ProblemError):
        CURSORS.read(cursor, query="/jobs?")


@pytest.mark.parametrize("position", range(20))
def test_a_changed_cursor_is_refused(position: int) -> None:
    """No bit of a cursor can be changed."""
    cursor = CURSORS.write(b"0123456789abcdef", query="/jobs?")
    changed = cursor[:position] + ("B" if cursor[position] == "A" else "A") + cursor[position + 1 :]
    with pytest.raises(ProblemError):
        CURSORS.read(changed, query="/jobs?")
