"""What a model finds wrong with its input, in sentences for people; nothing of the input is repeated."""

import re
from datetime import timedelta

from pydantic_core import ErrorDetails

from shared.domain.durations import format_duration
from shared.domain.forms import SENTENCES

_TIMEDELTA = re.compile(r"datetime\.timedelta\([^)]*\)")
_TIMEDELTA_PART = re.compile(r"(\w+)=(\d+)")


def sentence_of(error: ErrorDetails) -> str:
    """What is wrong, with durations as people write them."""
    if error["type"] == "union_tag_invalid":
        return f"Input should be one of {error['ctx']['expected_tags']}"
    if error["type"] == "union_tag_not_found":
        return "Field required"
    if error["type"] == "uuid_parsing":
        return "Input should be a UUID"
    if error["type"] in {"too_short", "string_too_short"} and error["ctx"]["min_length"] == 1:
        return "Input should not be empty"
    if error["type"] == "string_pattern_mismatch" and error["ctx"]["pattern"] in SENTENCES:
        return SENTENCES[error["ctx"]["pattern"]]
    return _TIMEDELTA.sub(_duration_text, error["msg"].removeprefix("Value error, "))


def _duration_text(written: re.Match[str]) -> str:
    parts = {name: int(count) for name, count in _TIMEDELTA_PART.findall(written.group())}
    return format_duration(timedelta(**parts))
