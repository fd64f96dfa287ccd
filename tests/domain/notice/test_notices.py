"""How long a notice rests whose workers fell silent."""

from datetime import timedelta

import pytest

from shared.domain.notice.notices import CARRIED_ON_FOR, LEAST_REST, MOST_REST, rest_after_crashes


@pytest.mark.parametrize(
    ("age", "rest"),
    [
        (timedelta(0), LEAST_REST),
        (timedelta(minutes=2), timedelta(minutes=1)),
        (timedelta(hours=8), MOST_REST),
        (CARRIED_ON_FOR, MOST_REST),
        (CARRIED_ON_FOR + timedelta(seconds=1), None),
    ],
    ids=["new", "young", "old", "last", "over"],
)
def test_a_notice_rests_longer_the_older_it_is(age: timedelta, rest: timedelta | None) -> None:
    """Within bounds, and in the end it is given up."""
    assert rest_after_crashes(age) == rest
