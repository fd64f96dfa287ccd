from itertools import pairwise

from cli.restarts import MAX_DELAY_SECONDS, MAX_QUICK_DEATHS, QUICK_SECONDS, decide_restart


def test_the_first_quick_death_is_followed_by_a_short_delay() -> None:
    """A stumble costs half a second."""
    decision = decide_restart(0.1, quick_deaths=0)
    assert (decision.action, decision.quick_deaths, decision.delay_seconds) == ("restart", 1, 0.5)


def test_delays_grow_and_stay_bounded() -> None:
    """What dies at once is not restarted in a tight loop."""
    delays = [decide_restart(0.1, quick_deaths=deaths).delay_seconds for deaths in range(MAX_QUICK_DEATHS - 1)]
    assert all(earlier < later for earlier, later in pairwise(delays))
    assert max(delays) <= MAX_DELAY_SECONDS


def test_quick_deaths_in_a_row_end_in_giving_up() -> None:
    """Every retry has an end."""
    assert decide_restart(0.1, quick_deaths=MAX_QUICK_DEATHS - 1).action == "give_up"


def test_a_long_life_forgives_earlier_deaths() -> None:
    """A process that ran for long is restarted however often it died before."""
    decision = decide_restart(QUICK_SECONDS, quick_deaths=MAX_QUICK_DEATHS - 1)
    assert (decision.action, decision.quick_deaths) == ("restart", 1)
