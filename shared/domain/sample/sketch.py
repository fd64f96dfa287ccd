"""Percentile sketches: logarithmic buckets that merge by addition and are never off by more than 1 %.

The mapping is DDSketch's (Masson, Rim and Lee, VLDB 2019): bucket i holds the values above g to the power of i-1, up to
g to the power of i, with g = 1.01/0.99, and the value with the same relative distance to both ends stands for all. A
*slot* is that bucket as one integer that sorts like the values: 0 for what is nearer to zero than `SMALLEST`, above it
the positive values, below it the negative ones mirrored.
"""

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

ALPHA = 0.01
"""The greatest relative error of a quantile."""

SMALLEST = 1e-9
"""What is nearer to zero counts as zero: a millionth of a microsecond where the unit is milliseconds."""

SLOTS_PER_E = 1 / math.log((1 + ALPHA) / (1 - ALPHA))
"""Buckets for each factor of e, 1/ln(g)."""

FIRST_BUCKET = math.ceil(math.log(SMALLEST) * SLOTS_PER_E) - 1
"""The bucket below the first one used, so that the slots of positive values start at 1."""

_MIDDLE = math.log(1 - ALPHA)
"""2/(1+g), which is 0.99, as a logarithm: where in its bucket the standing value lies."""

_LARGEST = math.log(sys.float_info.max)
_VERSION = 1
_MORE = 0x80
_DENSE_PER_KEY = 4
"""Keys are counted in an array over their whole range, rather than sorted, while it is at most so much longer."""

Integers: TypeAlias = npt.NDArray[np.int64]


def slot_of(value: float) -> int:
    """The slot of a finite value; SQL computes the same from `ln`, `ceil` and the constants above."""
    magnitude = abs(value)
    if magnitude < SMALLEST:
        return 0
    slot = math.ceil(math.log(magnitude) * SLOTS_PER_E) - FIRST_BUCKET
    return slot if value > 0 else -slot


def values_of(slots: Integers) -> npt.NDArray[np.float64]:
    """The values that stand for `slots`."""
    exponents = np.minimum((np.abs(slots) + FIRST_BUCKET) / SLOTS_PER_E + _MIDDLE, _LARGEST)
    return np.sign(slots) * np.exp(exponents)


def value_of(slot: int) -> float:
    """The value that stands for one slot."""
    if not slot:
        return 0.0
    return math.copysign(math.exp(min((abs(slot) + FIRST_BUCKET) / SLOTS_PER_E + _MIDDLE, _LARGEST)), slot)


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """How many values fell into each slot: `slots` ascending and distinct, `counts` above zero, of the same length."""

    slots: Integers
    counts: Integers

    @staticmethod
    def from_counts(slots: Sequence[int], counts: Sequence[int]) -> "Sketch":
        """The sketch of slots that are counted already, ascending and distinct."""
        return Sketch(np.asarray(slots, dtype=np.int64), np.asarray(counts, dtype=np.int64))

    @staticmethod
    def of(values: Iterable[float]) -> "Sketch":
        """The sketch of some finite values."""
        slots, counts = np.unique(np.array([slot_of(value) for value in values], dtype=np.int64), return_counts=True)
        return Sketch(slots, counts.astype(np.int64))

    @staticmethod
    def merged(sketches: Sequence["Sketch"]) -> "Sketch":
        """The sketch of all values that went into `sketches`, the same as if made of them at once."""
        if len(sketches) == 1:
            return sketches[0]
        slots = np.concatenate([EMPTY.slots, *(sketch.slots for sketch in sketches)])
        counts = np.concatenate([EMPTY.counts, *(sketch.counts for sketch in sketches)])
        return Sketch(*_add_up(slots, counts))

    @property
    def count(self) -> int:
        """How many values went in."""
        return int(self.counts.sum())

    def quantiles(self, fractions: Sequence[float]) -> list[float | None]:
        """For each fraction in (0, 1] the value of rank ⌈fraction·count⌉ (SQL's `percentile_disc`), within `ALPHA`."""
        if not len(self.slots):
            return [None] * len(fractions)
        upto = np.cumsum(self.counts)
        ranks = np.maximum(np.ceil(np.asarray(fractions) * upto[-1]), 1)
        places = np.minimum(np.searchsorted(upto, ranks), len(upto) - 1)
        return [float(value) for value in values_of(self.slots[places])]

    def encode(self) -> bytes:
        """Version, then for each slot the step from the one before (the first zigzagged) and the count, as varints."""
        encoded = bytearray([_VERSION])
        previous = None
        for slot, count in zip(self.slots.tolist(), self.counts.tolist(), strict=True):
            _append_varint(encoded, (slot << 1) ^ (slot >> 63) if previous is None else slot - previous)
            _append_varint(encoded, count)
            previous = slot
        return bytes(encoded)


EMPTY = Sketch(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def decode_merged(groups: Sequence[Sequence[bytes]]) -> list[Sketch]:
    """For each group of encoded sketches the one that merges them; all of them are decoded in one go.

    Raises:
        ValueError: one was written by a later version.
    """
    encoded = [sketch for group in groups for sketch in group]
    if not encoded:
        return [EMPTY] * len(groups)
    if {sketch[0] for sketch in encoded} != {_VERSION}:
        raise ValueError("a percentile sketch was written by a later version of Tocsin; update this one")
    lengths = np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded)) - 1
    numbers, sizes = _decode_varints(b"".join([sketch[1:] for sketch in encoded]), lengths)
    slots, counts = _undo_steps(numbers, sizes)
    if len(groups) == 1:
        return [Sketch(*_add_up(slots, counts))]
    owners = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    return _split_by_owner(slots, counts, np.repeat(owners, sizes // 2), count=len(groups))


def _add_up(keys: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """Distinct keys, ascending, and the sum of each one's counts."""
    if not len(keys):
        return keys, counts
    lowest = int(keys.min())
    span = int(keys.max()) - lowest + 1
    if span <= _DENSE_PER_KEY * len(keys):
        # Floating-point sums of counts are exact up to 2 to the power of 53.
        sums = np.bincount(keys - lowest, weights=counts)
        present = np.flatnonzero(sums)
        return present + lowest, sums[present].astype(np.int64)
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    starts = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
    return keys[starts], np.add.reduceat(counts, starts)


def _append_varint(encoded: bytearray, number: int) -> None:
    while number >= _MORE:
        encoded.append(number & 0x7F | _MORE)
        number >>= 7
    encoded.append(number)


def _decode_varints(payload: bytes, lengths: Integers) -> tuple[Integers, Integers]:
    """All numbers of the payload, and how many of them each stretch of `lengths` bytes holds."""
    octets = np.frombuffer(payload, dtype=np.uint8)
    numbers = octets[octets < _MORE].astype(np.int64)
    # Nearly all numbers are one byte and done; the few longer ones get their earlier, lower bytes here.
    earlier = np.flatnonzero(octets >= _MORE)
    order = np.arange(len(earlier))
    owners = earlier - order
    longer, starts, widths = np.unique(owners, return_index=True, return_counts=True)
    numbers[longer] <<= 7 * widths
    places = order - np.repeat(starts, widths)
    np.add.at(numbers, owners, (octets[earlier] & 0x7F).astype(np.int64) << 7 * places)
    return numbers, lengths - np.diff(np.searchsorted(earlier, np.cumsum(lengths)), prepend=0)


def _undo_steps(numbers: Integers, sizes: Integers) -> tuple[Integers, Integers]:
    """Slots and counts, from alternating steps and counts; each sketch's first step is its zigzagged first slot."""
    steps, counts = numbers[0::2].copy(), numbers[1::2]
    pairs = sizes[sizes > 0] // 2
    if not len(pairs):
        return steps, counts
    firsts = np.cumsum(pairs) - pairs
    steps[firsts] = (steps[firsts] >> 1) ^ -(steps[firsts] & 1)
    # Each sketch starts from where the one before ended, so that one running sum gives the slots of all.
    lasts = np.add.reduceat(steps, firsts)
    steps[firsts[1:]] -= lasts[:-1]
    return np.cumsum(steps), counts


def _split_by_owner(slots: Integers, counts: Integers, owners: Integers, *, count: int) -> list[Sketch]:
    """Add up each owner's slots; owners are numbered from 0 to `count`."""
    if not len(slots):
        return [EMPTY] * count
    lowest = int(slots.min())
    span = int(slots.max()) - lowest + 1
    keys, sums = _add_up(owners * span + (slots - lowest), counts)
    bounds = np.searchsorted(keys, np.arange(count + 1) * span).tolist()
    merged = keys % span + lowest
    return [Sketch(merged[a:b], sums[a:b]) for a, b in pairwise(bounds)]
