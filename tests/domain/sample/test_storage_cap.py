"""Whole months are dropped, the oldest chunks first, and no more than has to be."""

from datetime import UTC, datetime

import pytest

from shared.domain.sample.storage_cap import Cut, MonthSize, choose_cut, parse_size

CHUNKS = [MonthSize(datetime(2026, month, 1, tzinfo=UTC), 100) for month in (3, 4, 5)]
HOURS = [MonthSize(datetime(2026, month, 1, tzinfo=UTC), 50) for month in (4, 5)]


@pytest.mark.parametrize(
    ("total", "cap", "cut"),
    [
        (900, 0, Cut()),
        (900, 900, Cut()),
        (901, 900, Cut(samples=CHUNKS[0].end)),
        (1000, 800, Cut(samples=CHUNKS[1].end)),
        (1000, 680, Cut(samples=CHUNKS[2].end, hours=HOURS[0].end)),
        (1000, 500, Cut(samples=CHUNKS[2].end, hours=HOURS[1].end, is_enough=False)),
    ],
)
def test_the_oldest_months_go_until_the_rest_fits(total: int, cap: int, cut: Cut) -> None:
    """Chunks before hours; what is left over is said."""
    assert choose_cut(CHUNKS, HOURS, total=total, cap=cap) == cut


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("20GB", 20_000_000_000), ("1.5 TiB", 3 * 2**39), ("500MB", 500_000_000), ("4096", 4096)],
)
def test_a_size_is_read_as_people_write_it(text: str, size: int) -> None:
    """With units of 1000, or of 1024 where there is an i."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "20 apples", "1e9", "20gb"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """And it is said how to write one."""
    with pytest.raises(ValueError, match="20GB"):
        parse_size(text)
