"""All windows of a rule on a monitor, and their bytes: exact, some hundred of them, read and written in one go each.

How the values of parts that are over are spread is kept apart: it grows with the window, and few samples change it.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from zlib import crc32

from shared.domain.judging.part_sketches import PartSketches, count_packed
from shared.domain.judging.windows import Column, Ring, WindowSpec

_VERSION = 2
_HEAD = struct.Struct("<BIqq")
_SIZES = struct.Struct("<HI")
_PAST = struct.Struct("<I")
_LETTERS = {
    Column.TOTAL: "d",
    Column.LOW: "d",
    Column.HIGH: "d",
    Column.FIRST: "d",
    Column.LAST: "d",
    Column.GROWTH: "d",
    Column.FIRST_AT: "q",
    Column.LAST_AT: "q",
}
"""How a column's numbers are packed; all others count."""
_NEVER = -1


@dataclass(frozen=True, slots=True)
class WindowShape:
    """Which windows a rule needs; `code` tells apart what was kept for another condition."""

    specs: tuple[WindowSpec, ...]
    code: int

    @staticmethod
    def of(specs: Sequence[WindowSpec]) -> "WindowShape":
        """The shape of these windows."""
        said = [(each.metric, each.part_ms, [*each.columns], each.has_sketch) for each in specs]
        return WindowShape(tuple(specs), crc32(repr(said).encode()))


@dataclass(slots=True)
class Windows:
    """What is kept of a monitor for a rule; in milliseconds since 1970.

    Samples are awaited since `awaited_ms`: since the rule judges the monitor, or since that was resumed. `newest_ms`
    is the slot of the newest sample of any outcome.
    """

    awaited_ms: int
    newest_ms: int | None = None
    rings: list[Ring] = field(default_factory=list)

    @staticmethod
    def empty(shape: WindowShape, *, awaited_ms: int) -> "Windows":
        """Windows without a sample."""
        return Windows(awaited_ms, None, [Ring(spec) for spec in shape.specs])

    @property
    def heard_ms(self) -> int:
        """Since when nothing has come: the newest sample, or since when one is awaited."""
        return self.awaited_ms if self.newest_ms is None else max(self.awaited_ms, self.newest_ms)

    def encode(self, shape: WindowShape) -> bytes:
        """The bytes that `decode_windows` reads, without those of `encode_past`."""
        newest = _NEVER if self.newest_ms is None else self.newest_ms
        head = _HEAD.pack(_VERSION, shape.code, self.awaited_ms, newest)
        return b"".join((head, *map(_encode_ring, self.rings)))

    def encode_past(self) -> bytes:
        """What percentiles need of parts that are over; the same bytes until that changes."""
        packed = [ring.sketches.pack_older() for ring in self.rings if ring.spec.has_sketch]
        return b"".join([part for older in packed for part in (_PAST.pack(len(older)), older)])


def decode_windows(shape: WindowShape, encoded: bytes, past: bytes) -> Windows | None:
    """The windows in some bytes; None when they are of another version or condition, and are to be made anew."""
    if len(encoded) < _HEAD.size or encoded[0] != _VERSION:
        return None
    _, code, awaited, newest = _HEAD.unpack_from(encoded)
    if code != shape.code:
        return None
    windows = Windows(awaited, None if newest == _NEVER else newest)
    offset = _HEAD.size
    olders = _split(past)
    for spec in shape.specs:
        ring, sketches, offset = _decode_ring(spec, encoded, offset)
        if spec.has_sketch:
            older = next(olders, b"")
            if ring.parts and count_packed(older) != len(ring.parts) - 1:
                return None
            ring.sketches = PartSketches.unpack(sketches, older) if ring.parts else ring.sketches
        windows.rings.append(ring)
    return windows


def _split(past: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(past):
        (size,) = _PAST.unpack_from(past, start)
        start += _PAST.size + size
        yield past[start - size : start]


def _encode_ring(ring: Ring) -> bytes:
    parts = len(ring.parts)
    sketches = ring.sketches.pack() if ring.spec.has_sketch else b""
    row = _format(_letters(ring.spec), parts)
    numbers = row.pack(*ring.parts, *chain.from_iterable(ring.columns.values()))
    return b"".join((_SIZES.pack(parts, len(sketches)), numbers, sketches))


def _decode_ring(spec: WindowSpec, encoded: bytes, offset: int) -> tuple[Ring, bytes, int]:
    """A ring without its sketches, their bytes, and where the next one begins."""
    parts, size = _SIZES.unpack_from(encoded, offset)
    offset += _SIZES.size
    row = _format(_letters(spec), parts)
    numbers = row.unpack_from(encoded, offset)
    offset += row.size
    ring = Ring(spec)
    ring.parts = list(numbers[:parts])
    for place, column in enumerate(spec.columns, 1):
        ring.columns[column] = list(numbers[place * parts : (place + 1) * parts])
    return ring, encoded[offset : offset + size], offset + size


@lru_cache(maxsize=256)
def _letters(spec: WindowSpec) -> str:
    return "I" + "".join(_LETTERS.get(column, "I") for column in spec.columns)


@lru_cache(maxsize=4096)
def _format(letters: str, count: int) -> struct.Struct:
    """As many numbers of each letter, one letter after the other."""
    return struct.Struct("<" + "".join(f"{count}{letter}" for letter in letters))
