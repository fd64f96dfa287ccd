import os
from pathlib import Path

import pytest

from cli.embedded.account import Account, make_private, may_enter, server_account
from cli.embedded.errors import EmbeddedServerError
from cli.embedded.layout import prepare_layout
from cli.embedded.programs import postgres_tree, valkey_program, within_reach

STRANGER = Account("stranger", 54321, 54321)
"""A user who owns nothing, as the servers' user is for root."""


def test_a_plain_user_runs_the_servers_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is changed, so nothing has to be allowed."""
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    assert server_account(tmp_path).is_other is False


def test_root_takes_an_existing_unprivileged_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PostgreSQL refuses to run as root; no user is ever created."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    account = server_account(tmp_path / "not-there-yet")
    assert account.is_other
    assert account.uid != 0


def test_a_closed_directory_anywhere_above_cannot_be_entered(data_dir: Path) -> None:
    """One door that is shut is enough."""
    inner = data_dir / "closed" / "open"
    inner.mkdir(parents=True)
    data_dir.chmod(0o711)
    inner.chmod(0o711)
    assert may_enter(STRANGER, data_dir)
    (data_dir / "closed").chmod(0o700)
    assert not may_enter(STRANGER, inner)


def test_an_owner_is_judged_by_the_owners_bits(data_dir: Path) -> None:
    """As the kernel does: the first class that fits decides."""
    data_dir.mkdir(mode=0o700)
    owner = Account("owner", data_dir.stat().st_uid, 54321)
    assert may_enter(owner, data_dir)
    data_dir.chmod(0o011)
    assert not may_enter(owner, data_dir)
    data_dir.chmod(0o700)


def test_programs_in_reach_are_used_where_they_are(data_dir: Path) -> None:
    """Nothing is copied for a plain user."""
    program = valkey_program()
    assert within_reach(program, Account("me"), shelf=data_dir / "programs") == program
    assert not data_dir.exists()


def test_programs_out_of_reach_are_copied_once(data_dir: Path) -> None:
    """So it is for root with a checkout below /root."""
    home, shelf = data_dir / "home", data_dir / "programs"
    program = home / "package" / "server"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    home.chmod(0o700)
    copy = within_reach(program, STRANGER, shelf=shelf)
    assert copy.is_relative_to(shelf)
    assert copy.read_text() == program.read_text()
    assert os.access(copy, os.X_OK)
    assert within_reach(program, STRANGER, shelf=shelf) == copy
    assert len(list(shelf.iterdir())) == 1


def test_the_copy_of_an_older_program_is_removed(data_dir: Path) -> None:
    """An update must not leave forty megabytes behind each time."""
    home, shelf = data_dir / "home", data_dir / "programs"
    program = home / "package" / "server"
    program.parent.mkdir(parents=True)
    home.chmod(0o700)
    for text in ("old", "newer"):
        program.write_text(text)
        copy = within_reach(program, STRANGER, shelf=shelf)
        assert copy.read_text() == text
        assert len(list(shelf.iterdir())) == 1


def test_a_copied_postgresql_brings_its_libraries(data_dir: Path) -> None:
    """Its programs look for them beside their package, as the wheel has them."""
    home, shelf = data_dir / "home", data_dir / "programs"
    tree = home / "package" / "pginstall"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin" / "postgres").write_text("")
    (home / "package.libs").mkdir()
    (home / "package.libs" / "libpq.so").write_text("")
    home.chmod(0o700)
    copy = within_reach(tree, STRANGER, shelf=shelf)
    assert (copy / "bin" / "postgres").exists()
    assert (copy.parent.parent / "package.libs" / "libpq.so").exists()


def test_roots_data_directory_must_be_in_reach_of_the_servers_user(
    monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    """Modes of directories that are not ours are never changed, so the message names another place."""
    monkeypatch.setattr("cli.embedded.layout.server_account", lambda _data_dir: STRANGER)
    data_dir.mkdir(mode=0o700)
    with pytest.raises(EmbeddedServerError, match=r"cannot be reached by the user stranger.*/var/lib/tocsin"):
        prepare_layout(data_dir / "below")
    assert list(data_dir.iterdir()) == []


def test_the_programs_of_the_wheels_are_found() -> None:
    """A server that happens to be installed is only the last resort."""
    assert "site-packages" in str(postgres_tree())
    assert "site-packages" in str(valkey_program())


def test_a_link_that_somebody_laid_is_not_followed(data_dir: Path) -> None:
    """Root would give the directory behind it to the servers' user."""
    target = data_dir / "precious"
    target.mkdir(parents=True, mode=0o700)
    (data_dir / "link").symlink_to(target)
    with pytest.raises(EmbeddedServerError, match="is not a private directory"):
        make_private(data_dir / "link", STRANGER)
    assert target.stat().st_uid == os.geteuid()


def test_a_directory_others_may_read_is_refused(data_dir: Path) -> None:
    """The sockets' only guard is the mode of their directory."""
    data_dir.mkdir()
    data_dir.chmod(0o755)
    with pytest.raises(EmbeddedServerError, match="mode 0700"):
        make_private(data_dir, Account("me"))
