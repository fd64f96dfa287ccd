"""What bounds all that holds firings back, be it a silence, a window of maintenance or an inhibition."""

from datetime import timedelta

KEPT = timedelta(days=400)
"""How long one that has ended can still be seen."""
FORGOTTEN_AT_ONCE = 1_000


class TooManyError(Exception):
    """There are as many as may be; nothing was made."""


class HasEndedError(Exception):
    """What has ended is not changed any more."""
