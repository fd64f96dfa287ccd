"""What is read of a file inside one thread: its checksum, and the new lines that match a pattern."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from shared.collectors.deadline import Deadline
from shared.collectors.file_opening import FileFaultError, FoundFile
from shared.domain.target.file_marks import FINGERPRINT_BYTES, FileMark
from shared.domain.target.observation import Blame, Fault

CHUNK_BYTES = 1 << 20
MAX_CHECKSUM_BYTES = 1 << 30
"""A larger file's checksum is not computed: it would cost the worker a core for seconds at each look."""
MAX_NEW_BYTES = 64 << 20
"""The most that one look reads of new lines; the rest is read by the next."""
MAX_LINE_BYTES = 4096
"""A longer line is matched by its beginning: the costliest pattern known takes 0.2 s for so much."""

Matcher = Callable[[str], bool]


def compute_checksum(file: FoundFile, deadline: Deadline) -> str:
    """SHA-256 of the content in hexadecimal.

    Raises:
        FileFaultError: the file is too large for it, or was not read in time.
    """
    if file.status.st_size > MAX_CHECKSUM_BYTES:
        sentence = f"the file is larger than {MAX_CHECKSUM_BYTES >> 20} MiB, so its checksum is not computed"
        raise FileFaultError(Fault("file_too_large", sentence, Blame.OURS))
    digest = hashlib.sha256()
    with file.reading() as descriptor:
        # As much as there was when it was found: a file that grows meanwhile has an end nevertheless.
        left = file.status.st_size
        while left > 0 and (chunk := os.read(descriptor, min(left, CHUNK_BYTES))):
            if deadline.is_over:
                raise FileFaultError(Fault("timeout", "the file was not read in time for its checksum", Blame.OURS))
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class NewLines:
    """How many new lines matched, and the mark to go on from."""

    matches: int
    mark: FileMark


def count_matches(file: FoundFile, matcher: Matcher, *, mark: FileMark | None, deadline: Deadline) -> NewLines:
    """Count the lines written since `mark`; without one, nothing counts and the end of the file is remembered.

    A file that was rotated (another inode, a shorter file, another beginning) is read from its start, after the rest of
    the old one if it was renamed to `name.1`, as logrotate does. Only whole lines count; what is after the last newline
    is left for the next look.

    At the deadline it stops; the next look goes on from there.
    """
    with file.reading() as descriptor:
        status = os.fstat(descriptor)
        if mark is None:
            return NewLines(0, _mark(descriptor, status, offset=_last_line_end(descriptor, status.st_size)))
        matches, start = 0, mark.offset
        if not _is_same(descriptor, status, mark=mark):
            matches, start = _count_rest(file, matcher, mark=mark, deadline=deadline), 0
        more, end = _count(descriptor, matcher, start=start, deadline=deadline)
        return NewLines(matches + more, _mark(descriptor, status, offset=end))


def take_mark(file: FoundFile, last: FileMark | None) -> FileMark:
    """The mark of a look that read no lines: only the size is new."""
    status = file.status
    if last is not None and last.inode == status.st_ino:
        return replace(last, size=status.st_size)
    return FileMark(status.st_ino, 0, status.st_size)


def _mark(descriptor: int, status: os.stat_result, *, offset: int) -> FileMark:
    return FileMark(status.st_ino, offset, status.st_size, _fingerprint(descriptor, offset))


def _fingerprint(descriptor: int, offset: int) -> str:
    """The beginning of what was read so far, which no append changes."""
    return hashlib.sha256(os.pread(descriptor, min(offset, FINGERPRINT_BYTES), 0)).hexdigest()


def _is_same(descriptor: int, status: os.stat_result, *, mark: FileMark) -> bool:
    """Whether the file is the one that was marked, only longer."""
    if status.st_ino != mark.inode or status.st_size < mark.offset:
        return False
    return not mark.beginning or _fingerprint(descriptor, mark.offset) == mark.beginning


def _count_rest(file: FoundFile, matcher: Matcher, *, mark: FileMark, deadline: Deadline) -> int:
    """The matches in the rest of the old file, if it is still beside the new one."""
    try:
        with file.opening(f"{file.name}.1") as descriptor:
            if not _is_same(descriptor, os.fstat(descriptor), mark=mark):
                return 0
            return _count(descriptor, matcher, start=mark.offset, deadline=deadline)[0]
    except OSError:
        return 0


def _count(descriptor: int, matcher: Matcher, *, start: int, deadline: Deadline) -> tuple[int, int]:
    """Matching lines from `start` on, and the offset behind the last whole line that was matched."""
    matches, end, position, begun, pending = 0, start, start, b"", 0
    os.lseek(descriptor, start, os.SEEK_SET)
    while position - start < MAX_NEW_BYTES and (chunk := os.read(descriptor, CHUNK_BYTES)):
        *lines, tail = chunk.split(b"\n")
        for line in lines:
            if deadline.is_over:
                return matches, end
            matches += matcher(_text(begun + line))
            end += pending + len(line) + 1
            begun, pending = b"", 0
        position += len(chunk)
        begun, pending = (begun + tail)[:MAX_LINE_BYTES], pending + len(tail)
    # A line that does not end within all that is read at once is passed over, or no look would ever get further.
    is_endless = end == start and position - start >= MAX_NEW_BYTES
    return matches, position if is_endless else end


def _text(line: bytes) -> str:
    return line[:MAX_LINE_BYTES].rstrip(b"\r").decode(errors="replace")


def _last_line_end(descriptor: int, size: int) -> int:
    """The offset behind the last newline, looked for in the last chunk; the size where that holds none."""
    start = max(0, size - CHUNK_BYTES)
    tail = os.pread(descriptor, size - start, start)
    newline = tail.rfind(b"\n")
    return start + newline + 1 if newline >= 0 else (size if start else 0)
