"""The trace context is read strictly and written as everybody reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.traces import TraceContext, parse_traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEXADECIMAL = "0123456789abcdef"


def hexadecimals(length: int) -> st.SearchStrategy[str]:
    return st.text(HEXADECIMAL, min_size=length, max_size=length).filter(lambda text: text.strip("0") != "")


contexts = st.builds(TraceContext, hexadecimals(32), hexadecimals(16), st.integers(0, 3))


@given(contexts)
def test_what_is_written_is_read_again(context: TraceContext) -> None:
    """Writing and reading a context changes nothing."""
    assert parse_traceparent(str(context)) == context


@given(st.text())
def test_no_text_raises_and_only_what_is_whole_is_read(text: str) -> None:
    """Whatever a client sends, it is a context of right size or none."""
    context = parse_traceparent(text)

    assert context is None or (len(context.trace_id), len(context.span_id)) == (32, 16)


@given(contexts, st.integers(0, 54), st.sampled_from("gG A-\n٣"))
def test_one_wrong_character_makes_it_none(context: TraceContext, position: int, wrong: str) -> None:
    """Upper case, spaces, foreign digits and moved dashes are refused."""
    text = str(context)
    broken = text[:position] + wrong + text[position + 1 :]

    assert broken == text or parse_traceparent(broken) is None


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"01-{TRACE}-{SPAN}-01more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
    ],
)
def test_what_breaks_the_standard_is_none(header: str | None) -> None:
    """The standard asks to go on as if there were no header."""
    assert parse_traceparent(header) is None


def test_a_later_version_is_read_up_to_what_is_known() -> None:
    """What follows the flags is left off, and flags nobody knows yet are cleared."""
    context = parse_traceparent(f"cc-{TRACE}-{SPAN}-ff-what-the-future-brings")

    assert context == TraceContext(TRACE, SPAN, 3)
    assert str(context) == f"00-{TRACE}-{SPAN}-03"


@pytest.mark.parametrize(("flags", "is_sampled"), [("00", False), ("01", True), ("02", False), ("03", True)])
def test_the_first_flag_says_sampled(flags: str, *, is_sampled: bool) -> None:
    """The second, that the trace id is random, is passed on."""
    context = parse_traceparent(f"00-{TRACE}-{SPAN}-{flags}")

    assert context is not None
    assert context.is_sampled is is_sampled
    assert str(context).endswith(f"-{flags}")
