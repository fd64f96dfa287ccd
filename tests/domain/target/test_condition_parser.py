"""The bracket syntax: what is read, what is refused and where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.target.condition_parser import parse_condition
from shared.domain.target.conditions import Condition, ConditionSyntaxError, Function, Match, Operator
from shared.domain.target.kinds import PLACEHOLDERS, Quantity

READABLE = [
    ("[STATUS] == 200", "http"),
    ("[RESPONSE_TIME] < 300", "http"),
    ("[BODY].status == UP", "http"),
    ("[BODY].items[0].id == 1", "http"),
    ("[BODY][0].id == 1", "http"),
    ('[BODY]["odd name"][2] == "a, b"', "http"),
    ("len([BODY].items) > 3", "http"),
    ("has([BODY].error) == false", "http"),
    ("[BODY] == pat(*ok*)", "http"),
    ("[STATUS] == any(200, 429)", "http"),
    ('[BODY].name != any("a, b", c)', "http"),
    ("[HEADER].content-type == application/json", "http"),
    ("[CERTIFICATE_EXPIRATION] > 48h", "http"),
    ("[CONNECTED] == true", "http"),
    ("[IP] == pat(10.*)", "http"),
    ("[VALUE] < 1000", "database"),
    ("[ROWS] >= 1", "database"),
    ("[ROW].state == ready", "database"),
    ("[CONNECTIONS] <= 90", "database"),
    ("[SIZE] < 5MB", "file"),
    ("[AGE] < 10m", "file"),
    ("[MATCHES] == 0", "file"),
    ("[EXISTS] == true", "file"),
    ("[CHECKSUM] == 9f86d081", "file"),
    ("[GROWTH] > -1KiB", "file"),
]


@pytest.mark.parametrize(("text", "kind"), READABLE)
def test_every_documented_form_is_read_and_written_back_alike(text: str, kind: str) -> None:
    """A condition's text is canonical: it reads back as the same value."""
    condition = parse_condition(text, kind)
    assert str(condition) == text
    assert parse_condition(str(condition), kind) == condition


def test_a_condition_is_taken_apart() -> None:
    """Function, placeholder, path, operator and choices become values."""
    condition = parse_condition(' len( [BODY].items[0]["a b"] )!=any(1,  2) ', "http")
    assert condition.subject.function is Function.LEN
    assert (condition.subject.placeholder, condition.subject.path) == ("BODY", ("items", 0, "a b"))
    assert (condition.subject.quantity, condition.operator, condition.match) == (
        Quantity.NUMBER,
        Operator.NOT_EQUAL,
        Match.CHOICE,
    )
    assert [literal.number for literal in condition.literals] == [1, 2]


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        ("[RESPONSE_TIME] < 1.5s", "http", 1500),
        ("[RESPONSE_TIME] < 250ms", "http", 250),
        ("[CERTIFICATE_EXPIRATION] > 48h", "http", 172_800),
        ("[AGE] < 1h30m", "file", 5400),
        ("[AGE] < 90", "file", 90),
        ("[SIZE] < 5MB", "file", 5_000_000),
        ("[SIZE] < 5 MiB", "file", 5 * 1024**2),
        ("[SIZE] < 1.5kB", "file", 1500),
        ("[SIZE] < 1KB", "file", 1000),
        ("[SIZE] < 0.5GiB", "file", 512 * 1024**2),
        ("[GROWTH] > -2TB", "file", -2 * 1000**4),
        ("[VALUE] < 5GB", "database", 5 * 1000**3),
        ("[VALUE] < 9007199254740993", "database", 9007199254740993),
        ("[VALUE] < 1e3", "database", 1000),
        ("[VALUE] < -0.25", "database", -0.25),
    ],
)
def test_sizes_and_durations_become_the_placeholders_unit(text: str, kind: str, number: float) -> None:
    """Units with an `i` are of 1024, the others of 1000; times become milliseconds or seconds."""
    assert parse_condition(text, kind).literals[0].number == number


@pytest.mark.parametrize(
    ("text", "kind", "position", "part"),
    [
        ("STATUS == 200", "http", 0, "begins with a placeholder: [CONNECTED]"),
        ("[STATES] == 200", "http", 0, "http targets have no [STATES]; known are"),
        ("[STATUS] == 200", "file", 0, "file targets have no [STATUS]; known are [EXISTS]"),
        ("[STATUS] = 200", "http", 9, "== != <= >= < > is missing"),
        ("[STATUS] 200", "http", 9, "is missing here"),
        ("[STATUS] ==", "http", 11, "the value to compare with"),
        ("[STATUS] == fine", "http", 12, "a number is needed here"),
        ("[STATUS] < any(1, 2)", "http", 11, "== and != only"),
        ("[BODY] > pat(a*)", "http", 9, "== and != only"),
        ("[STATUS] == any(200,)", "http", 20, "values separated by commas"),
        ("[STATUS] == any(200", "http", 12, "not closed"),
        ("[STATUS].x == 1", "http", 8, "no path leads into it"),
        ("[HEADER] == x", "http", 8, "followed by a name"),
        ("[BODY]. == x", "http", 6, "a path goes on"),
        ("[BODY][x] == x", "http", 6, "a path goes on"),
        ('[BODY].a == "x', "http", 12, "ends with the condition"),
        ("[BODY].a > b", "http", 11, "a number is needed"),
        ("count([BODY]) == 1", "http", 0, "no function of the left side"),
        ("len([BODY] == 1", "http", 11, '")" is missing'),
        ("[BODY].a == [BODY].b", "http", 12, "plain value"),
        ("[CONNECTED] == yes", "http", 15, "true or false"),
        ("[CONNECTED] > true", "http", 14, "true or false"),
        ("[IP] > 1", "http", 7, "is text"),
        ("[RESPONSE_TIME] < 5MB", "http", 18, "is a size"),
        ("[SIZE] < 5m", "file", 9, "is a duration"),
        ("[AGE] < soon", "file", 8, "such as 600 or 10m"),
        ("[VALUE] < 10m", "database", 10, "a number is needed"),
        ("[STATUS] == 1e999", "http", 12, "a number is needed"),
    ],
)
def test_an_error_names_the_character_and_what_is_known(text: str, kind: str, position: int, part: str) -> None:
    """The position is the offset of the character that does not fit."""
    with pytest.raises(ConditionSyntaxError) as caught:
        parse_condition(text, kind)
    assert caught.value.position == position
    assert part in caught.value.message
    assert f"at character {position + 1}" in str(caught.value)


def test_the_caret_stands_below_the_character() -> None:
    """For a terminal the place is drawn."""
    with pytest.raises(ConditionSyntaxError) as caught:
        parse_condition("[STATUS] = 200", "http")
    assert caught.value.with_caret().splitlines()[:2] == ["[STATUS] = 200", "         ^"]


_PIECES = (
    st.sampled_from(["[STATUS]", "[BODY]", "[HEADER]", "[VALUE]", "[SIZE]", ".a", "[0]", '["x y"]', "len(", "has("])
    | st.sampled_from([")", " ", "==", "<", "!=", "any(", "pat(", ",", '"', "\\", "200", "5MB", "10m", "true", "*"])
    | st.sampled_from(["-", "é", "\ud800", "\x00", "\u0661"])
)
_TEXTS = st.one_of(st.text(max_size=60), st.lists(_PIECES, max_size=14).map("".join))


@given(text=_TEXTS, kind=st.sampled_from(sorted(PLACEHOLDERS)))
def test_any_text_is_read_or_refused_with_a_position(text: str, kind: str) -> None:
    """No text raises anything but the syntax error, and what is read reads back as itself."""
    parsed = _read(text, kind)
    if isinstance(parsed, ConditionSyntaxError):
        assert 0 <= parsed.position <= len(text)
    else:
        assert parse_condition(str(parsed), kind) == parsed


def _read(text: str, kind: str) -> Condition | ConditionSyntaxError:
    try:
        return parse_condition(text, kind)
    except ConditionSyntaxError as error:
        return error


@st.composite
def _conditions(draw: st.DrawFn) -> tuple[str, str]:
    kind = draw(st.sampled_from(["http", "database"]))
    root = draw(st.sampled_from(["[BODY]"] if kind == "http" else ["[VALUE]", "[ROW].column"]))
    steps = draw(st.lists(st.one_of(st.integers(0, 999), st.text(min_size=1, max_size=8)), max_size=3))
    path = "".join(f"[{step}]" if isinstance(step, int) else f"[{_quote(step)}]" for step in steps)
    right = draw(st.one_of(st.integers().map(str), st.text(max_size=20).map(_quote)))
    return f"{root}{path} {draw(st.sampled_from(['==', '!=']))} {right}", kind


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(_conditions())
def test_well_formed_conditions_round_trip(condition: tuple[str, str]) -> None:
    """Quoted names and values of any characters survive being written and read again."""
    parsed = parse_condition(*condition)
    assert parse_condition(str(parsed), condition[1]) == parsed
