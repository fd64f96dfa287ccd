import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory that is not there yet, where the servers' user can go also when the tests run as root."""
    parent = Path(tempfile.mkdtemp(prefix="tocsin-"))
    parent.chmod(0o711)
    yield parent / "data"
    shutil.rmtree(parent)
