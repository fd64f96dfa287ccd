"""Finds a regular file below the allowed roots without ever following what could lead outside."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Self

from shared.domain.target.observation import Blame, Fault

_DIRECTORY = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READING = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC

_TYPES = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISLNK, "a symbolic link that was changed meanwhile"),
)


_CHANGED = Fault("file_changed", "the file was replaced while it was looked at", Blame.OURS)


class FileFaultError(Exception):
    """Why a file cannot be read; `fault` is what is told."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class FoundFile:
    """A regular file as it was when found, its directory held open; used in a `with` block."""

    def __init__(self, directory: int, name: str, status: os.stat_result) -> None:
        self.directory = directory
        self.name = name
        self.status = status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.directory)

    @contextmanager
    def reading(self) -> Iterator[int]:
        """A descriptor to read the very file that was found.

        Raises:
            FileFaultError: another file took its place since.
        """
        with self.opening(self.name) as descriptor:
            opened = os.fstat(descriptor)
            if (opened.st_dev, opened.st_ino) != (self.status.st_dev, self.status.st_ino):
                raise FileFaultError(_CHANGED)
            yield descriptor

    @contextmanager
    def opening(self, name: str) -> Iterator[int]:
        """A descriptor of a file in the same directory; a FIFO or a device is opened without waiting for it."""
        descriptor = os.open(name, _READING, dir_fd=self.directory)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def find_file(path: str, roots: Sequence[str]) -> FoundFile | None:
    """Find a file; None when there is none. Blocks for as long as the file system does.

    Links are resolved first, what they lead to has to lie below a root, and the way there is then walked directory by
    directory without following links, so that nothing swapped in between leads elsewhere.

    Raises:
        FileFaultError: it is outside of the roots, is no regular file, or may not be looked at.
    """
    with told_as_faults():
        parent, name = os.path.split(resolve_below(path, roots))
        try:
            directory = _walk(parent)
        except (FileNotFoundError, NotADirectoryError):
            return None
        with ExitStack() as undo:
            undo.callback(os.close, directory)
            try:
                status = _look(directory, name)
            except (FileNotFoundError, NotADirectoryError):
                return None
            undo.pop_all()
        return FoundFile(directory, name, status)


@contextmanager
def told_as_faults() -> Iterator[None]:
    """Errors of the file system become faults.

    Raises:
        FileFaultError: in place of an `OSError`.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise FileFaultError(_CHANGED) from error
    except OSError as error:
        raise FileFaultError(fault_of(error)) from error


def resolve_below(path: str, roots: Sequence[str]) -> str:
    """The path without links, if it and what it leads to are below a root.

    Raises:
        FileFaultError: they are not; whether anything is there is not told.
    """
    if not path.startswith("/") or "\0" in path:
        raise FileFaultError(Fault("invalid_path", "the path has to be absolute", Blame.OURS))
    real_roots = [os.path.realpath(root) for root in roots]
    wanted = os.path.normpath(path)
    real = os.path.realpath(path)
    if not _is_below(wanted, [*roots, *real_roots]) or not _is_below(real, real_roots):
        sentence = f"{path} is not below the directories of TOCSIN_FILE_ROOTS ({':'.join(roots) or 'none'})"
        raise FileFaultError(Fault("blocked_by_policy", sentence, Blame.OURS))
    return real


def fault_of(error: OSError) -> Fault:
    """What an error of the file system means."""
    if isinstance(error, PermissionError):
        return Fault("permission_denied", "the worker's user may not look at the file", Blame.OURS)
    if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
        return Fault("internal", f"this machine could not open the file ({error.strerror})", Blame.OURS)
    return Fault("unreadable", f"the file cannot be read ({error.strerror})")


def _is_below(path: str, roots: Sequence[str]) -> bool:
    return any(path == root or path.startswith(root.rstrip("/") + "/") for root in roots)


def _walk(directory: str) -> int:
    """Open a directory from the top, following no link."""
    descriptor = os.open("/", _DIRECTORY)
    for part in directory.strip("/").split("/"):
        try:
            below = os.open(part, _DIRECTORY, dir_fd=descriptor) if part else os.dup(descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def _look(directory: int, name: str) -> os.stat_result:
    status = os.stat(name or ".", dir_fd=directory, follow_symlinks=False)
    for is_type, noun in _TYPES:
        if is_type(status.st_mode):
            raise FileFaultError(Fault("not_a_file", f"there is {noun} in place of the file"))
    return status
