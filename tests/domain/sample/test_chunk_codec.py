"""Chunks give back what was packed, bit by bit, and a damaged one is an error and nothing worse."""

import math
import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.sample.chunk_codec import CODEC, ChunkError, decode_chunk, encode_chunk
from shared.domain.sample.sample_columns import SampleColumns

DAY_US = 86_400_000_000
NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(0, 100_000, places=3).map(float),
    st.integers(-(2**53), 2**53).map(float),
    st.sampled_from([0.0, -0.0, 200.0, 5e-324, 1.7e308, 0.1 + 0.2, 2.0**53]),
)
Row = tuple[int, int, tuple[float | None, ...]]


@st.composite
def days(draw: st.DrawFn) -> list[Row]:
    """Samples of a day as a plain list: moment, outcome, and a value or none for each of three places."""
    unit = draw(st.sampled_from([1, 1000, 1_000_000]))
    places = draw(st.lists(st.sampled_from([0, 1, 11]), unique=True))
    values = st.tuples(*(st.one_of(NUMBERS, st.none()) if place in places else st.none() for place in (0, 1, 11)))
    moments = draw(st.lists(st.integers(0, DAY_US // unit - 1), min_size=1, max_size=60, unique=True))
    return [(moment * unit, draw(st.integers(0, 3)), draw(values)) for moment in sorted(moments)]


def columns_of(rows: list[Row]) -> SampleColumns:
    values = {
        place: np.array([math.nan if row[2][index] is None else row[2][index] for row in rows], dtype=np.float64)
        for index, place in enumerate((0, 1, 11))
    }
    moments = np.array([row[0] for row in rows], dtype=np.int64)
    return SampleColumns(moments, np.array([row[1] for row in rows], dtype=np.uint8), values)


def rows_of(samples: SampleColumns) -> list[Row]:
    """The plain list again; the sign of zero counts."""
    columns = [samples.values_at(place).tolist() for place in (0, 1, 11)]
    return [
        (moment, outcome, tuple(None if math.isnan(column[index]) else column[index] for column in columns))
        for index, (moment, outcome) in enumerate(zip(samples.moments.tolist(), samples.outcomes.tolist(), strict=True))
    ]


def with_signs(rows: list[Row]) -> list[object]:
    return [(at, outcome, [value if value is None else float(value).hex() for value in v]) for at, outcome, v in rows]


@given(days())
def test_what_is_packed_comes_back_bit_by_bit(rows: list[Row]) -> None:
    """Any finite number, any outcome, values absent anywhere, one sample or many."""
    assert with_signs(rows_of(decode_chunk(encode_chunk(columns_of(rows))))) == with_signs(rows)


@given(days())
def test_a_column_is_read_without_the_others(rows: list[Row]) -> None:
    """Those that were not asked for are left out."""
    whole, one = columns_of(rows), decode_chunk(encode_chunk(columns_of(rows)), places=[1])
    assert set(one.values) <= {1}
    assert np.array_equal(one.values_at(1), whole.values_at(1), equal_nan=True)
    assert np.array_equal(one.moments, whole.moments)


@settings(max_examples=300)
@given(days(), st.data())
def test_a_damaged_chunk_is_an_error(rows: list[Row], data: st.DataObject) -> None:
    """A changed byte, or fewer of them."""
    packed = bytearray(encode_chunk(columns_of(rows)))
    place = data.draw(st.integers(0, len(packed) - 1))
    if data.draw(st.booleans()):
        packed[place] ^= data.draw(st.integers(1, 255))
    else:
        del packed[place:]
    with pytest.raises(ChunkError):
        decode_chunk(bytes(packed))


@settings(max_examples=300)
@given(days(), st.data())
def test_a_forged_chunk_is_read_or_refused(rows: list[Row], data: st.DataObject) -> None:
    """With a right sum over wrong bytes nothing worse than `ChunkError` happens."""
    body = bytearray(encode_chunk(columns_of(rows))[4:])
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        samples = decode_chunk(zlib.crc32(body).to_bytes(4, "little") + bytes(body))
    except ChunkError:
        return
    assert all(len(column) == len(samples) for column in samples.values.values())


def test_a_chunk_never_unpacks_to_more_than_it_says() -> None:
    """Ten million deflated zeros in the place of two numbers."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = deflate.compress(bytes(10_000_000)) + deflate.flush()
    body = msgspec.msgpack.encode([2, 1000, [1, 1, bomb], [0, 0], []])
    with pytest.raises(ChunkError, match="as many numbers"):
        decode_chunk(zlib.crc32(body).to_bytes(4, "little") + body)


def test_a_later_form_is_named() -> None:
    """Instead of being misread."""
    with pytest.raises(ChunkError, match="later version"):
        decode_chunk(b"", codec=CODEC + 1)


@pytest.mark.parametrize(("with_jitter", "most"), [(False, 2.3), (True, 3.0)])
def test_a_minutely_sample_takes_about_three_bytes(with_jitter: bool, most: float) -> None:  # noqa: FBT001 - a case
    """Slots, or times some milliseconds off; durations rounded to a microsecond; an outcome that seldom changes."""
    draw = np.random.default_rng(7)
    jitter = draw.exponential(5, 1440).astype(np.int64) * 1000 if with_jitter else 0
    samples = SampleColumns(
        np.arange(1440) * 60_000_000 + jitter,
        np.where(draw.random(1440) < 0.005, 2, 0).astype(np.uint8),
        {0: np.round(20 * np.exp(draw.normal(0, 0.35, 1440)), 3)},
    )
    assert len(encode_chunk(samples)) / 1440 < most
