"""Where an embedded server keeps its things: data, sockets, logs, and programs copied within reach."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cli.embedded.account import Account, make_private, may_enter, server_account
from cli.embedded.errors import EmbeddedServerError

MAX_SOCKET_PATH_BYTES = 100
"""A Unix socket's address holds 108 bytes on Linux and 104 on macOS, with the closing zero."""

LONGEST_SOCKET_NAME = ".s.PGSQL.5432"


@dataclass(frozen=True, slots=True)
class Layout:
    """The directories of one data directory and the account its servers run as."""

    data_dir: Path
    account: Account
    sockets: Path

    @property
    def logs(self) -> Path:
        """The servers' logs."""
        return self.data_dir / "logs"

    @property
    def programs(self) -> Path:
        """Copies of programs the account cannot reach where they are installed."""
        return self.data_dir / "programs"

    def private(self, name: str) -> Path:
        """A directory of the account, made if it is not there."""
        directory = self.data_dir / name
        make_private(directory, self.account)
        return directory


def prepare_layout(data_dir: Path) -> Layout:
    """Make the directories. Root's data directory can be entered by others, what is inside cannot."""
    data_dir = data_dir.absolute()
    account = server_account(data_dir)
    existing = next(path for path in (data_dir, *data_dir.parents) if path.exists())
    _check_reach(account, existing, data_dir=data_dir)
    try:
        data_dir.mkdir(mode=0o711 if account.is_other else 0o700, parents=True, exist_ok=True)
        (data_dir / "logs").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise EmbeddedServerError(
            f"The data directory {data_dir} cannot be made ({error.strerror}). Set TOCSIN_DATA_DIR to one that can."
        ) from error
    _check_reach(account, data_dir, data_dir=data_dir)
    sockets = socket_directory(data_dir)
    make_private(sockets, account)
    return Layout(data_dir, account, sockets)


def _check_reach(account: Account, directory: Path, *, data_dir: Path) -> None:
    if account.is_other and not may_enter(account, directory):
        raise EmbeddedServerError(
            f"The data directory {data_dir} cannot be reached by the user {account.name}, as whom the servers run "
            "because PostgreSQL refuses to run as root. Set TOCSIN_DATA_DIR to a directory such as /var/lib/tocsin."
        )


def socket_directory(data_dir: Path) -> Path:
    """Where the sockets are: in the data directory, or if that is too long, in a short one always named the same."""
    data_dir = data_dir.absolute()
    directory = data_dir / "sockets"
    if len(os.fsencode(directory / LONGEST_SOCKET_NAME)) <= MAX_SOCKET_PATH_BYTES:
        return directory
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    parent = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())  # noqa: S108 - see `make_private`
    return parent / f"tocsin-{os.geteuid()}-{digest}"
