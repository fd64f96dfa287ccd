"""The metrics each kind of target keeps with its samples, in the order the database packs them."""

from collections.abc import Mapping
from types import MappingProxyType

METRICS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "http": (
            "status",
            "dns_ms",
            "connect_ms",
            "tls_ms",
            "first_byte_ms",
            "transfer_ms",
            "size_bytes",
            "certificate_days",
            "redirects",
            "tries",
        ),
        "database": (
            "value",
            "rows",
            "connect_ms",
            "query_ms",
            "connections",
            "transactions_per_second",
            "tries",
        ),
        "file": (
            "size_bytes",
            "age_seconds",
            "growth_bytes",
            "matches",
            "tries",
        ),
    }
)
"""Append only: a packed array is read by position. `duration_ms` is every kind's primary metric and not listed."""

ROLLED_UP: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"http": ("first_byte_ms",), "database": ("value",), "file": ("size_bytes",)}
)
"""The metrics that are summarised per hour and day beside `duration_ms`."""
