"""The one shape of a collector."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias, TypeVar

from shared.domain.target.observation import Observation
from shared.domain.target.targets import TargetModel

Target_contra = TypeVar("Target_contra", bound=TargetModel, contravariant=True)


class Collector(Protocol[Target_contra]):
    """Reads one kind of target.

    `collect` keeps within `target.timeout` by itself, never raises for what the target does (that is an `Observation`
    with a `Fault`), and holds nothing open when it returns. What it raises is our own error and becomes the outcome
    `error`.
    """

    async def collect(self, target: Target_contra) -> Observation:
        """Read the target once."""
        ...

    async def close(self) -> None:
        """Let go of what is kept open for the process."""
        ...


Collectors: TypeAlias = Mapping[str, Collector[Any]]
"""Collectors by the kind of target they read."""
