"""Files that people hand over, read as text; `-` is what comes by standard input."""

import sys
from pathlib import Path


class UnreadableFileError(Exception):
    """A file cannot be read; the message names it and says why."""


def read_text(file: Path, *, most: int) -> str:
    """The text of a file of at most so many bytes, in UTF-8.

    Raises:
        UnreadableFileError: it is not there, larger, or no UTF-8.
    """
    try:
        content = _read_bytes(file, most + 1)
        if len(content) > most:
            raise UnreadableFileError(f"{file} is larger than {most} bytes")
        return content.decode()
    except OSError as error:
        raise UnreadableFileError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UnreadableFileError(f"{file}: byte {error.start + 1} is no UTF-8") from None


def _read_bytes(file: Path, most: int) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read(most)
    with file.open("rb") as opened:
        return opened.read(most)
