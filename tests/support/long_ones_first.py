"""Tests that take long are begun first, so that no process is left alone with them while the others are done."""

import pytest

LONG = ("tests/api/test_schemathesis.py", "tests/proofs/", "tests/e2e/", "tests/worker/")
"""The files and folders of processes, kills and fuzzing, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by how long they take, else leave them in their order; `--no-loadscope-reorder` keeps it so."""
    items.sort(key=_place_of)


def _place_of(item: pytest.Item) -> int:
    return next((place for place, path in enumerate(LONG) if item.nodeid.startswith(path)), len(LONG))
