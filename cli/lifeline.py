"""A child's side of the pipe to `tocsin up`: when it closes, `up` is gone and the child has to go as well."""

import os
import signal
import sys
import threading
import time

GRACE_SECONDS = 5.0
"""The servers go at the same moment, so there is nothing left to finish; this is for closing connections."""


def end_when_stdin_closes() -> None:
    """Watch standard input from a thread; SIGTERM to ourselves at its end, and a hard exit if that does not do.

    A pipe and not Linux's parent-death signal, because it works on every system.
    """
    threading.Thread(target=_watch, name="lifeline", daemon=True).start()


def _watch() -> None:
    # Not `sys.stdin`, whose lock the interpreter would wait for at exit.
    while os.read(sys.__stdin__.fileno() if sys.__stdin__ else 0, 4096):
        continue
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)
