"""Trace contexts as they travel between programs: `traceparent` of W3C Trace Context (https://www.w3.org/TR/trace-context/)."""

import re
from dataclasses import dataclass

SAMPLED = 0x01
RANDOM = 0x02
_KNOWN_FLAGS = SAMPLED | RANDOM
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_VERSION = "00"
_NO_VERSION = "ff"
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Whose child the next span is: 32 and 16 hexadecimal digits in lower case, not all zero, and the flags."""

    trace_id: str
    span_id: str
    flags: int = 0

    @property
    def is_sampled(self) -> bool:
        """Whether the caller may have recorded the trace."""
        return bool(self.flags & SAMPLED)

    def __str__(self) -> str:
        """The header `traceparent`, in the version of it that everybody reads."""
        return f"{_VERSION}-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def parse_traceparent(header: str | None) -> TraceContext | None:
    """Read the header; None when there is none or it breaks the standard, which then asks to be ignored.

    A later version may carry more, which is left off; flags that are not known are cleared (3.2.2, 3.2.4).
    """
    found = None if header is None else _TRACEPARENT.fullmatch(header)
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == _NO_VERSION or (version == _VERSION and rest is not None):
        return None
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return TraceContext(trace_id, span_id, int(flags, 16) & _KNOWN_FLAGS)
