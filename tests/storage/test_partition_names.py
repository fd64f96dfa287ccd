"""Partitions are told from tables by their names."""

import pytest

from shared.storage.sample.partitions import is_partition
from shared.storage.tables import metadata


@pytest.mark.parametrize("name", ["sample_20250312", "rollup_1h_202503", "sample_chunk_202503", "sample_note_20250312"])
def test_a_partition_is_known_by_its_name(name: str) -> None:
    """So that a migration made from a living database leaves it alone."""
    assert is_partition(name)


def test_no_table_looks_like_a_partition() -> None:
    """It would be left out of migrations, or dropped."""
    assert [name for name in metadata.tables if is_partition(name)] == []
