"""Conditions as JSON."""

import pytest
from pydantic import TypeAdapter, ValidationError

from shared.domain.rule.conditions import MAX_DEPTH, MAX_PARTS, Condition, leaves_of

CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
UP = '{"state": ["up"]}'


def _nested(depth: int) -> str:
    text = UP
    for level in range(depth):
        text = f'{{"{"all" if level % 2 else "any"}": [{text}]}}'
    return text


def test_parts_are_counted_over_the_whole_tree() -> None:
    """As many parts as there may be can stand anywhere, and one more nowhere."""
    ten = ", ".join([UP] * (MAX_PARTS // 2))
    found = CONDITION.validate_json(f'{{"all": [{{"any": [{ten}]}}, {{"any": [{ten}]}}]}}')
    assert len(list(leaves_of(found))) == MAX_PARTS
    with pytest.raises(ValidationError, match="20 parts in all"):
        CONDITION.validate_json(f'{{"all": [{{"any": [{ten}]}}, {{"any": [{ten}]}}, {UP}]}}')


def test_depth_is_bounded() -> None:
    """A tree may be as deep as is said, and no deeper."""
    assert CONDITION.validate_json(_nested(MAX_DEPTH))
    with pytest.raises(ValidationError, match="6 deep"):
        CONDITION.validate_json(_nested(MAX_DEPTH + 1))


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("{}", (), "a condition has one of figure"),
        ("5", (), "a condition has one of figure"),
        ('{"state": ["paused"]}', ("state", "state", 0), "Input should be 'up', 'degraded', 'down' or 'no_data'"),
        ('{"any": [{"slo": 200}]}', ("any", "any", 0, "slo", "slo"), "Input should be less than 100"),
        (
            '{"figure": {"aggregate": "p95", "window": "5m"}, "op": ">", "value": 3}',
            ("comparison", "figure"),
            "p95 needs a metric",
        ),
        ('{"absent": "5m", "intervals": 3}', ("absent",), "give absent or intervals, one of the two"),
        ('{"slo": 99, "absent": "5m"}', ("absent", "slo"), "Extra inputs are not permitted"),
    ],
)
def test_a_mistake_is_told_of_the_condition_that_was_meant(
    text: str, place: tuple[str | int, ...], message: str
) -> None:
    """One mistake is one message, though there are seven kinds of conditions."""
    with pytest.raises(ValidationError) as caught:
        CONDITION.validate_json(text)
    (error,) = caught.value.errors()
    assert error["loc"] == place
    assert error["msg"].startswith(message)
