"""A day of one series as one row: its samples packed column by column, so that a column can be read without the others.

A chunk is the CRC-32 of what follows (4 bytes, little-endian), then MessagePack: how many samples there are, their
times, their outcomes, and a column for each place that has values. `CODEC` numbers this form; a form that replaces it
gets the next number, and old chunks are read by the form they name.
"""

import zlib
from collections.abc import Collection

import msgspec
import numpy as np
import numpy.typing as npt

from shared.domain.sample.number_codec import (
    CodecError,
    PackedNumbers,
    deflate,
    inflate,
    pack_floats,
    pack_integers,
    unpack_floats,
    unpack_integers,
)
from shared.domain.sample.sample_columns import Moments, SampleColumns, Values
from shared.domain.target.outcome import OUTCOME_OF_CODE

CODEC = 1
MAX_SAMPLES = 86_400_000
"""One a millisecond: more than a series can have in a day."""

_CRC_BYTES = 4
_MILLISECOND = 1000
_MAX_PLACE = 1000


class ChunkError(Exception):
    """A chunk cannot be read: it is damaged, or was written by a later version."""


class _Column(msgspec.Struct, array_like=True, frozen=True):
    """The values of a place; `present` has a bit for each sample, deflated, unless all have a value."""

    place: int
    count: int
    numbers: PackedNumbers
    present: bytes | None = None


class _Chunk(msgspec.Struct, array_like=True, frozen=True):
    samples: int
    unit: int
    """Microseconds: the times are whole multiples of it."""
    moments: PackedNumbers
    outcomes: PackedNumbers
    columns: list[_Column]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Chunk)


def encode_chunk(samples: SampleColumns) -> bytes:
    """Pack one or more samples; `decode_chunk` gives back the same, bit by bit."""
    unit = 1 if (samples.moments % _MILLISECOND).any() else _MILLISECOND
    columns = [_pack_column(place, samples.values[place]) for place in sorted(samples.values)]
    chunk = _Chunk(
        samples=len(samples),
        unit=unit,
        moments=pack_integers(samples.moments // unit),
        outcomes=pack_integers(samples.outcomes.astype(np.int64)),
        columns=[column for column in columns if column],
    )
    body = _ENCODER.encode(chunk)
    return zlib.crc32(body).to_bytes(_CRC_BYTES, "little") + body


def decode_chunk(data: bytes, *, codec: int = CODEC, places: Collection[int] | None = None) -> SampleColumns:
    """Unpack a chunk; of the values only those at `places`, if it is said which.

    Raises:
        ChunkError: it is damaged, or of a form that this version does not know.
    """
    if codec != CODEC:
        raise ChunkError(f"it has form {codec}, which a later version of Tocsin wrote; update this one")
    body = memoryview(data)[_CRC_BYTES:]
    if zlib.crc32(body) != int.from_bytes(data[:_CRC_BYTES], "little"):
        raise ChunkError("its bytes are not those that were written")
    try:
        return _unpack(_DECODER.decode(body), places)
    except (CodecError, msgspec.MsgspecError) as error:
        raise ChunkError(str(error)) from error


def _pack_column(place: int, values: Values) -> _Column | None:
    present = ~np.isnan(values)
    count = int(np.count_nonzero(present))
    if not count:
        return None
    if count == len(values):
        return _Column(place, count, pack_floats(values))
    return _Column(place, count, pack_floats(values[present]), deflate(np.packbits(present).tobytes()))


def _unpack(chunk: _Chunk, places: Collection[int] | None) -> SampleColumns:
    if not 0 < chunk.samples <= MAX_SAMPLES or chunk.unit not in {1, _MILLISECOND}:
        raise CodecError("it does not have as many samples as a day can have")
    outcomes = unpack_integers(chunk.outcomes, chunk.samples)
    if not np.isin(outcomes, list(OUTCOME_OF_CODE)).all():
        raise CodecError("it has outcomes that there are not")
    columns = [column for column in chunk.columns if places is None or column.place in places]
    return SampleColumns(
        _unpack_moments(chunk),
        outcomes.astype(np.uint8),
        {column.place: _unpack_column(column, chunk.samples) for column in columns},
    )


def _unpack_moments(chunk: _Chunk) -> Moments:
    moments = unpack_integers(chunk.moments, chunk.samples) * chunk.unit
    if (np.diff(moments) <= 0).any():
        raise CodecError("its samples are not in the order of their times")
    return moments


def _unpack_column(column: _Column, samples: int) -> Values:
    if not 0 <= column.place <= _MAX_PLACE or not 0 < column.count <= samples:
        raise CodecError("it has a column that no kind has")
    numbers = unpack_floats(column.numbers, column.count)
    if column.present is None:
        if column.count != samples:
            raise CodecError("it has a column that lacks values")
        return numbers
    present = _unpack_bits(column.present, samples)
    if np.count_nonzero(present) != column.count:
        raise CodecError("it has a column with other values than it says")
    values = np.full(samples, np.nan)
    values[present] = numbers
    return values


def _unpack_bits(data: bytes, count: int) -> npt.NDArray[np.bool_]:
    octets = np.frombuffer(inflate(data, (count + 7) // 8), dtype=np.uint8)
    return np.unpackbits(octets, count=count).astype(np.bool_)
