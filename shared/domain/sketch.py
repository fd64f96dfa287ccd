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
    if any(sketch[0] != _VERSION for sketch in encoded):
        raise ValueError("a percentile sketch was written by a later version of Tocsin; update this one")
    owners = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    lengths = np.fromiter((len(sketch) - 1 for sketch in encoded), dtype=np.int64, count=len(encoded))
    numbers, sizes = _decode_varints(b"".join([sketch[1:] for sketch in encoded]), lengths)
    slots, counts = _undo_steps(numbers, sizes)
    return _split_by_owner(slots, counts, np.repeat(owners, sizes // 2), count=len(groups))


def _add_up(keys: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """Distinct keys, ascending, and the sum of each one's counts."""
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    starts = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
    return (keys[starts], np.add.reduceat(counts, starts)) if len(keys) else (keys, counts)


def _append_varint(encoded: bytearray, number: int) -> None:
    while number >= _MORE:
        encoded.append(number & 0x7F | _MORE)
        number >>= 7
    encoded.append(number)


def _decode_varints(payload: bytes, lengths: Integers) -> tuple[Integers, Integers]:
    """All numbers of the payload, and how many of them each stretch of `lengths` bytes holds."""
    octets = np.frombuffer(payload, dtype=np.uint8)
    is_last = octets < _MORE
    ends_before = np.concatenate([[0], np.cumsum(is_last)])
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    sizes = np.diff(ends_before[bounds])
    if is_last.all():
        return octets.astype(np.int64), sizes
    starts = np.concatenate([[0], np.flatnonzero(is_last)[:-1] + 1])
    places = np.arange(len(octets)) - np.repeat(starts, np.diff(np.append(starts, len(octets))))
    numbers = np.add.reduceat((octets & 0x7F).astype(np.int64) << (7 * places), starts)
    return numbers, sizes


def _undo_steps(numbers: Integers, sizes: Integers) -> tuple[Integers, Integers]:
    """Slots and counts, from alternating steps and counts; each sketch's first step is its zigzagged first slot."""
    steps, counts = numbers[0::2].copy(), numbers[1::2]
    pairs = sizes // 2
    firsts = (np.cumsum(pairs) - pairs)[pairs > 0]
    steps[firsts] = (steps[firsts] >> 1) ^ -(steps[firsts] & 1)
    sums = np.cumsum(steps)
    return sums - np.repeat(sums[firsts] - steps[firsts], pairs[pairs > 0]), counts


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
