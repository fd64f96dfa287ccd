"""Whole numbers as JSON has them: 5 and 5.0 are the same number (JSON Schema, 6.1.1)."""

from pydantic import BeforeValidator


def parse_whole(value: object) -> object:
    """Take a float without a fraction for the integer it is; all else is left for the integer's own check."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(parse_whole)
"""Stands behind an integer's bounds, as in `Annotated[int, Field(ge=1), WHOLE]`, or the bounds miss in its schema."""
