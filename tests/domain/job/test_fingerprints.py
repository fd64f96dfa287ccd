"""Failures that differ by their numbers and names only are one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.job.fingerprints import fingerprint_of
from shared.domain.job.jobs import Failure, JobKind

TEMPLATES = [
    "shop.example:{}: connecting took longer than the timeout",
    "this process was too busy to watch shop.example ({} ms behind)",
    "the work took longer than {} s",
    "database 12.{} is away",
]


def of(message: str, *, code: str = "timeout", kind: JobKind = JobKind.NOTIFY) -> str:
    return fingerprint_of(kind, Failure(code, message))


@given(template=st.sampled_from(TEMPLATES), numbers=st.tuples(st.integers(0), st.integers(0)))
def test_numbers_and_ports_do_not_matter(template: str, numbers: tuple[int, int]) -> None:
    """The same trouble at another port or after another time is the same trouble."""
    one, other = (of(template.format(number)) for number in numbers)
    assert one == other


@given(ids=st.tuples(st.uuids(), st.uuids()))
def test_ids_do_not_matter(ids: tuple[object, object]) -> None:
    """An id is in one failure only."""
    one, other = (of(f"no channel {each} is known") for each in ids)
    assert one == other


@given(message=st.text(max_size=300), codes=st.tuples(st.text(), st.text()).filter(lambda two: two[0] != two[1]))
def test_codes_tell_failures_apart(message: str, codes: tuple[str, str]) -> None:
    """Whatever the message says, unless a code could not be written anyway."""
    one, other = (code.encode(errors="replace") for code in codes)
    assert (of(message, code=codes[0]) == of(message, code=codes[1])) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "mail.example answered 550 5.1.1 <a@b.example> unknown id 4F2A9C1B3D",
            "mail.example answered 550 5.7.1 <c@d.example> unknown id 77AC10Be",
        ),
        ("refused for now: a@b.example, c@d.example", "refused for now: e@f.example"),
        ("[2001:db8::1]:443 refused the connection", "[2001:db8:0:1::7]:8443 refused the connection"),
        ("10.0.0.1:25 refused the connection", "10.0.0.2 refused the connection"),
        ('no column "a" in "b"', 'no column "c" in "d e"'),
        ("object at 0x7f12 is gone", "object at 0xAB is gone"),
    ],
)
def test_what_our_notifiers_meet_is_grouped(one: str, other: str) -> None:
    """Recipients, a mail server's own ids, addresses and quoted names are not what failed."""
    assert of(one) == of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the receiver answered 401", "the receiver answered 422"),
        (
            "shop.example: connecting took longer than the timeout",
            "mail.example: connecting took longer than the timeout",
        ),
        ("connecting took longer than the timeout", "waiting for the answer took longer than the timeout"),
    ],
)
def test_what_is_another_trouble_is_told_apart(one: str, other: str) -> None:
    """Statuses, hosts and words are."""
    assert of(one) != of(other)


def test_kinds_of_jobs_are_told_apart() -> None:
    """A group belongs to one kind."""
    assert of("it", kind=JobKind.COLLECT) != of("it", kind=JobKind.NOTIFY)


@given(message=st.text())
def test_any_message_has_one(message: str) -> None:
    """Sixteen hexadecimal digits."""
    assert len(bytes.fromhex(of(message))) == 8
