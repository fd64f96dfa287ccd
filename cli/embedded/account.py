"""Whom the servers run as: oneself, or for root an unprivileged user that is already there."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from cli.embedded.errors import EmbeddedServerError

CANDIDATES = ("tocsin", "nobody")
"""For root: a user the administrator made for us, else the one every system has. None is ever created."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user the servers run as; `uid` and `gid` are None for the user we are."""

    name: str
    uid: int | None = None
    gid: int | None = None

    @property
    def is_other(self) -> bool:
        """Whether starting a server means changing the user."""
        return self.uid is not None


def server_account(data_dir: Path) -> Account:
    """Choose the account. Root takes the owner of an existing data directory when that is a plain user.

    PostgreSQL refuses to run as root, hence there has to be another.
    """
    if os.geteuid() != 0:
        return Account(name=pwd.getpwuid(os.geteuid()).pw_name)
    owner = data_dir.stat().st_uid if data_dir.exists() else 0
    for entry in pwd.getpwall():
        if owner and entry.pw_uid == owner:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedServerError(
        "PostgreSQL refuses to run as root and this system has no unprivileged user to run it as. Start Tocsin as a "
        f"plain user, make a user named {CANDIDATES[0]}, or set TOCSIN_DATABASE_URL and TOCSIN_REDIS_URL."
    )


def may_enter(account: Account, directory: Path) -> bool:
    """Whether the account may pass through the directory and all above it, by their mode bits."""
    return all(_may_execute(account, part.stat()) for part in (directory, *directory.parents))


def _may_execute(account: Account, status: os.stat_result) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def make_private(directory: Path, account: Account) -> None:
    """Make a directory, mode 0700, that belongs to the account; refuse one that is there and is not that.

    In a directory open to all, such as /tmp, somebody else may have been there first, with a symbolic link for root to
    give away. Hence only a real directory of our own is handed over.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    is_ours = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
    if is_ours and account.uid is not None and account.gid is not None and status.st_uid == os.geteuid():
        os.chown(directory, account.uid, account.gid, follow_symlinks=False)
        status = directory.lstat()
    if not is_ours or status.st_uid != (os.geteuid() if account.uid is None else account.uid):
        raise EmbeddedServerError(
            f"{directory} is not a private directory of {account.name} (mode 0700); remove it or give it that owner."
        )
