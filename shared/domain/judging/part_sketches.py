"""How the values of a window are spread: counts by slot (`shared.domain.sample.sketch`), of each part and of them all.

The newest part and the sum of all are at hand; parts that are over stay packed until one of them is asked for. So what
a sample costs does not grow with how many lie in the window.
"""

import struct
from bisect import bisect_left
from functools import lru_cache
from itertools import accumulate, islice

_COUNT = struct.Struct("<I")
_SLOT_BYTES = 8


class SlotCounts:
    """How many values fell into each slot: slots ascending, and counts above zero in the same order."""

    __slots__ = ("counts", "slots")

    def __init__(self, slots: list[int], counts: list[int]) -> None:
        self.slots = slots
        self.counts = counts

    def add(self, slot: int, count: int = 1) -> None:
        """Count values; those taken off again are counted below zero."""
        slots, counts = self.slots, self.counts
        place = bisect_left(slots, slot)
        if place == len(slots) or slots[place] != slot:
            slots.insert(place, slot)
            counts.insert(place, count)
        elif counts[place] + count:
            counts[place] += count
        else:
            del slots[place], counts[place]

    def slot_at(self, rank: int) -> int:
        """The slot of the value of a rank, from 1 to the number of values."""
        return self.slots[bisect_left(list(accumulate(self.counts)), rank)]

    def pack(self) -> bytes:
        """The bytes that `unpack` reads."""
        return _numbers("iI", len(self.slots)).pack(*self.slots, *self.counts)

    @staticmethod
    def unpack(packed: bytes) -> "SlotCounts":
        """What was packed."""
        size = len(packed) // _SLOT_BYTES
        numbers = _numbers("iI", size).unpack(packed)
        return SlotCounts(list(numbers[:size]), list(numbers[size:]))


class PartSketches:
    """The parts of a window by their places, the newest one last."""

    __slots__ = ("_newest", "_older", "_over", "_packed", "_total")

    def __init__(self) -> None:
        self._total = SlotCounts([], [])
        self._newest: SlotCounts | None = None
        self._over = 0
        self._older: list[SlotCounts | bytes] | None = []
        self._packed = b""

    def insert(self, place: int) -> None:
        """Make room for a part."""
        older = self._open()
        if self._newest is None:
            self._newest = SlotCounts([], [])
            return
        if place > self._over:
            older.append(self._newest)
            self._newest = SlotCounts([], [])
        else:
            older.insert(place, SlotCounts([], []))
        self._over += 1

    def forget(self, gone: int) -> None:
        """Take the oldest parts off."""
        older = self._open()
        if gone > self._over:
            self._total, self._newest, self._over = SlotCounts([], []), None, 0
            older.clear()
            return
        for place in range(gone):
            part = self._part(place)
            for slot, count in zip(part.slots, part.counts, strict=True):
                self._total.add(slot, -count)
        del older[:gone]
        self._over -= gone

    def add(self, place: int, slot: int) -> None:
        """Count a value of a part."""
        self._part(place).add(slot)
        self._total.add(slot)

    def within(self, parts: slice) -> SlotCounts:
        """What some parts come to together."""
        everything = range(self._over + (self._newest is not None))
        places = everything[parts]
        if places == everything:
            return self._total
        merged = SlotCounts([], [])
        for part in map(self._part, places):
            for slot, count in zip(part.slots, part.counts, strict=True):
                merged.add(slot, count)
        return merged

    def pack(self) -> bytes:
        """The sum and the newest part, which change with each value."""
        total = self._total.pack()
        return b"".join((_COUNT.pack(len(total)), total, b"" if self._newest is None else self._newest.pack()))

    def pack_older(self) -> bytes:
        """The parts that are over: the same bytes until one of them changes, or one more is."""
        if self._older is None:
            return self._packed
        parts = [part if isinstance(part, bytes) else part.pack() for part in self._older]
        return b"".join((_COUNT.pack(len(parts)), _numbers("I", len(parts)).pack(*map(len, parts)), *parts))

    @staticmethod
    def unpack(packed: bytes, older: bytes) -> "PartSketches":
        """What was packed of one part at least."""
        sketches = PartSketches()
        start = _COUNT.size + _COUNT.unpack_from(packed)[0]
        sketches._total = SlotCounts.unpack(packed[_COUNT.size : start])
        sketches._newest = SlotCounts.unpack(packed[start:])
        sketches._over = count_packed(older)
        sketches._older, sketches._packed = None, older
        return sketches

    def _open(self) -> list[SlotCounts | bytes]:
        if self._older is None:
            sizes = _numbers("I", self._over).unpack_from(self._packed, _COUNT.size)
            begins = islice(accumulate(sizes, initial=_COUNT.size + _COUNT.size * self._over), self._over)
            self._older = [self._packed[begin : begin + size] for size, begin in zip(sizes, begins, strict=True)]
        return self._older

    def _part(self, place: int) -> SlotCounts:
        if place == self._over and self._newest is not None:
            return self._newest
        older = self._open()
        part = older[place]
        if isinstance(part, bytes):
            part = older[place] = SlotCounts.unpack(part)
        return part


def count_packed(older: bytes) -> int:
    """How many parts were packed by `pack_older`; -1 when none of its bytes are there."""
    count: int = _COUNT.unpack_from(older)[0] if older else -1
    return count


@lru_cache(maxsize=4096)
def _numbers(letters: str, count: int) -> struct.Struct:
    """As many numbers of each letter, one letter after the other."""
    return struct.Struct("<" + "".join(f"{count}{letter}" for letter in letters))
