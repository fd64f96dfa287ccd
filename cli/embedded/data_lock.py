"""One process at a time runs the servers of a data directory."""

import fcntl
import os
from contextlib import suppress
from io import FileIO
from pathlib import Path

from cli.embedded.errors import DataDirInUseError, EmbeddedServerError


class DataLock:
    """A lock file; the kernel lets go of it when its holder dies, in whatever way."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "lock"
        self.file: FileIO | None = None

    def acquire(self) -> None:
        """Take the lock and write down who holds it, or raise `DataDirInUseError`, which says who does."""
        try:
            file = FileIO(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
        except PermissionError as error:
            raise EmbeddedServerError(
                f"{self.path.parent} belongs to another user. Run as that user, or set TOCSIN_DATA_DIR."
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = file.read(20).decode(errors="replace").strip() or "another process"
            file.close()
            raise DataDirInUseError(
                f"The data directory {self.path.parent} is in use by process {holder}. Stop that one (kill {holder}), "
                "or give this one a directory of its own: TOCSIN_DATA_DIR=/another/directory."
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        self.file = file

    def release(self) -> None:
        """Let go; the file stays, for a lock on a file that was removed would lock nothing."""
        if self.file is not None:
            with suppress(OSError):
                self.file.truncate(0)
            self.file.close()
            self.file = None
