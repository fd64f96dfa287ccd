"""A column of numbers as few bytes, lossless: decimal scaling, differences, byte shuffle, deflate.

Decimals are kept as integers, since the bits of floating-point latencies do not compress; the bytes of equal weight are
laid side by side ("shuffled"), so that those which hardly change stand together. The design is that of time-series
stores such as VictoriaMetrics, with deflate where they have Zstandard.
"""

import zlib
from enum import IntEnum
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

Integers: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

LEVEL = 1
"""Of deflate; higher ones take several times as long for two or three per cent."""

_RAW_DEFLATE = -15
_DECIMALS = 6
"""Numbers with up to so many digits after the point are kept as integers."""

_LARGEST_WHOLE = 2**53
_SAMPLED = 32
"""So many numbers are tried before all of them are."""

_WIDEST = 8
"""Bytes of an integer."""


class CodecError(ValueError):
    """The bytes are not those of a column, or were written by a later version."""


class Method(IntEnum):
    """How numbers are written."""

    CONSTANT = 0
    """All are the same."""
    OFFSET = 1
    """Each less the least of them."""
    DELTA = 2
    """Each less the one before, zigzagged."""
    DELTA_OF_DELTA = 3
    """Each difference less the one before, zigzagged."""
    FLOAT = 4
    """The numbers' own bits."""


class PackedNumbers(msgspec.Struct, array_like=True, frozen=True):
    """A column as it is written: the number it starts from and its first step where the method has them, and the rest.

    `width` is how many bytes each number of the deflated payload has, `decimals` how many digits after the point.
    """

    method: Method
    width: int
    payload: bytes = b""
    base: int = 0
    step: int = 0
    decimals: int = 0


def pack_integers(numbers: Integers) -> PackedNumbers:
    """Pack one or more whole numbers, below 2 to the power of 61 in size, by the way that takes the fewest bytes."""
    if (numbers == numbers[0]).all():
        return PackedNumbers(Method.CONSTANT, 0, base=int(numbers[0]))
    ways = [_offset(numbers), _delta(numbers)]
    if len(numbers) > 2:  # noqa: PLR2004 - the difference of differences needs three
        ways.append(_delta_of_delta(numbers))
    return min(ways, key=lambda way: len(way.payload))


def pack_floats(numbers: Floats) -> PackedNumbers:
    """Pack one or more finite numbers; unpacked they are the same bit by bit."""
    for decimals in range(_DECIMALS + 1):
        whole = _as_integers(numbers, 10.0**decimals)
        if whole is not None:
            return msgspec.structs.replace(pack_integers(whole), decimals=decimals)
    return PackedNumbers(Method.FLOAT, _WIDEST, _squeeze(numbers.view(np.int64), _WIDEST))


def unpack_integers(packed: PackedNumbers, count: int) -> Integers:
    """Unpack `count` whole numbers.

    Raises:
        CodecError: they are not there.
    """
    if packed.method is Method.FLOAT:
        raise CodecError("whole numbers were expected, and there are others")
    return _unpack(packed, count)


def unpack_floats(packed: PackedNumbers, count: int) -> Floats:
    """Unpack `count` numbers.

    Raises:
        CodecError: they are not there.
    """
    numbers = _unpack(packed, count)
    if packed.method is Method.FLOAT:
        return numbers.view(np.float64)
    return numbers / _scale(packed.decimals)


def deflate(data: bytes) -> bytes:
    """Deflate without head and sum."""
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, _RAW_DEFLATE)
    return compressor.compress(data) + compressor.flush()


def inflate(payload: bytes, size: int) -> bytes:
    """Inflate to exactly `size` bytes, and never to many more.

    Raises:
        CodecError: it is less, more, or no deflated data.
    """
    inflater = zlib.decompressobj(_RAW_DEFLATE)
    try:
        data = inflater.decompress(payload, size + 1)
    except zlib.error as error:
        raise CodecError(f"it cannot be inflated: {error}") from error
    if len(data) != size or not inflater.eof:
        raise CodecError("it does not hold as many numbers as it says")
    return data


def _scale(decimals: int) -> float:
    if not 0 <= decimals <= _DECIMALS:
        raise CodecError("it has more decimals than there are")
    return 10.0**decimals


def _as_integers(numbers: Floats, scale: float) -> Integers | None:
    """The numbers times a power of ten, if that tells them exactly: their sign of zero too."""
    if len(numbers) > _SAMPLED and not _is_exact(numbers[:_SAMPLED], scale):
        return None
    return np.rint(numbers * scale).astype(np.int64) if _is_exact(numbers, scale) else None


def _is_exact(numbers: Floats, scale: float) -> bool:
    with np.errstate(over="ignore"):
        whole = np.rint(numbers * scale)
    if not (np.abs(whole) < _LARGEST_WHOLE).all():
        return False
    back = whole.astype(np.int64) / scale
    return bool((back.view(np.int64) == numbers.view(np.int64)).all())


def _offset(numbers: Integers) -> PackedNumbers:
    least = int(numbers.min())
    return _packed(Method.OFFSET, numbers - least, base=least)


def _delta(numbers: Integers) -> PackedNumbers:
    return _packed(Method.DELTA, _zigzag(np.diff(numbers)), base=int(numbers[0]))


def _delta_of_delta(numbers: Integers) -> PackedNumbers:
    steps = np.diff(numbers)
    return _packed(Method.DELTA_OF_DELTA, _zigzag(np.diff(steps)), base=int(numbers[0]), step=int(steps[0]))


def _packed(method: Method, rest: Integers, *, base: int, step: int = 0) -> PackedNumbers:
    """What is left of each number, in as many bytes as the greatest needs."""
    width = (int(rest.max()).bit_length() + 7) // 8
    return PackedNumbers(method, width, _squeeze(rest, width), base, step)


def _zigzag(numbers: Integers) -> Integers:
    return (numbers << 1) ^ (numbers >> 63)


def _unzigzag(numbers: Integers) -> Integers:
    return (numbers >> 1) ^ -(numbers & 1)


def _squeeze(numbers: Integers, width: int) -> bytes:
    """Deflate the lowest `width` bytes of each number, all lowest ones first."""
    octets = np.ascontiguousarray(numbers, dtype="<i8").view(np.uint8).reshape(-1, _WIDEST)
    return deflate(octets[:, :width].T.tobytes()) if width else b""


def _expand(packed: PackedNumbers, count: int) -> Integers:
    octets = np.zeros((max(count, 0), _WIDEST), dtype=np.uint8)
    if packed.width:
        data = inflate(packed.payload, len(octets) * packed.width)
        octets[:, : packed.width] = np.frombuffer(data, dtype=np.uint8).reshape(packed.width, -1).T
    return octets.view("<i8").reshape(-1)


def _unpack(packed: PackedNumbers, count: int) -> Integers:
    if not 0 <= packed.width <= _WIDEST or not _fits(packed.base) or not _fits(packed.step):
        raise CodecError("its numbers are larger than there are")
    match packed.method:
        case Method.CONSTANT:
            return np.full(count, packed.base, dtype=np.int64)
        case Method.OFFSET:
            return _expand(packed, count) + packed.base
        case Method.FLOAT:
            return _expand(packed, count)
        case Method.DELTA:
            steps = _unzigzag(_expand(packed, count - 1))
        case Method.DELTA_OF_DELTA:
            steps = np.cumsum(np.concatenate([[packed.step], _unzigzag(_expand(packed, count - 2))]))
    return np.cumsum(np.concatenate([[packed.base], steps]))


def _fits(number: int) -> bool:
    return abs(number) < 2**63
