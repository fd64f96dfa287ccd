"""The names that clients give jobs to share: one unique key, one limit."""

from typing import Annotated

from pydantic import AfterValidator, Field

from shared.domain.channel.channels import RESERVED_LIMITS

JobKey = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
"""Printable text."""


def check_free(key: str) -> str:
    """Refuse a limit's key that belongs to a channel.

    Raises:
        ValueError: it does.
    """
    if key.startswith(RESERVED_LIMITS):
        raise ValueError(f'keys that begin with "{RESERVED_LIMITS}" belong to channels; set the channel\'s rate_limit')
    return key


FreeLimitKey = Annotated[JobKey, AfterValidator(check_free)]
"""A limit's key that people may name."""
