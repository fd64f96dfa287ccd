"""The keys that seal the secrets of embedded servers: a file beside their data, which only its owner can read."""

import os
from pathlib import Path

from cli.embedded.errors import EmbeddedServerError
from shared.vault import new_key

FILE_NAME = "secret.keys"


def find_secret_keys(data_dir: Path) -> str | None:
    """The keys of a data directory, written like `TOCSIN_SECRET_KEYS`, if it has any.

    Raises:
        EmbeddedServerError: the file is there and cannot be read.
    """
    path = data_dir / FILE_NAME
    try:
        return ",".join(path.read_text().split())
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise EmbeddedServerError(f"{path} cannot be read; run as the user it belongs to.") from error


def ensure_secret_keys(data_dir: Path) -> str:
    """The keys of a data directory; one is made if there is none. Whoever calls holds the directory's lock.

    Raises:
        EmbeddedServerError: the file cannot be read or written.
    """
    found = find_secret_keys(data_dir)
    return found or _write_key(data_dir / FILE_NAME)


def _write_key(path: Path) -> str:
    """Written aside, and put in place when it is on the disk: a key that got lost cannot be made again."""
    key, draft = new_key(), path.with_suffix(".new")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(f"{key}\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise EmbeddedServerError(f"{path} cannot be written ({error.strerror}).") from error
    return key
