"""The names that clients give jobs to share: one unique key, one limit."""

from typing import Annotated

from pydantic import Field

JobKey = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
"""Printable text."""
