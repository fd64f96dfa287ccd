"""SIGINT and SIGTERM for `tocsin up`: the first stops, the second hurries."""

import signal
from types import FrameType


class StopRequested(BaseException):
    """Somebody asked us to stop."""


class StopSignals:
    """Raises `StopRequested` at the first signal; later ones only set `is_hurried`.

    Everything started hangs on a pipe from us, so an exception between two lines leaves nothing behind.
    """

    def __init__(self) -> None:
        self.is_stopping = False
        self.is_hurried = False

    def install(self) -> None:
        """Take the signals over; for a process's main thread."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.is_stopping:
            self.is_hurried = True
            return
        self.is_stopping = True
        raise StopRequested
