"""What each kind of target has: the metrics kept with its samples, and the placeholders conditions may speak of."""

from collections.abc import Mapping
from enum import StrEnum
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
            "lag_ms",
        ),
        "database": (
            "value",
            "rows",
            "connect_ms",
            "query_ms",
            "connections",
            "transactions_per_second",
            "tries",
            "lag_ms",
        ),
        "file": (
            "size_bytes",
            "age_seconds",
            "growth_bytes",
            "matches",
            "tries",
            "lag_ms",
        ),
        "heartbeat": (
            "exit_status",
            "since_last_ms",
        ),
    }
)
"""Append only: a packed array is read by position. `duration_ms` is every kind's primary metric and not listed.

`lag_ms` is how long after its slot a scheduled look began; what was asked for has none.
"""

ROLLED_UP: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"http": ("first_byte_ms",), "database": ("value",), "file": ("size_bytes",)}
)
"""The metrics that are summarised per hour and day beside `duration_ms`."""


class Quantity(StrEnum):
    """What a placeholder stands for, and so what may be written to its right."""

    NUMBER = "number"
    MILLISECONDS = "milliseconds"
    SECONDS = "seconds"
    BYTES = "bytes"
    BOOLEAN = "boolean"
    TEXT = "text"
    ANY = "any"
    """Text, a number, a boolean or JSON, into which a path may lead: `[BODY].items[0].id`."""
    NAMED = "named"
    """Values by name; a name has to follow: `[HEADER].content-type`."""


_REACHED = {"CONNECTED": Quantity.BOOLEAN, "RESPONSE_TIME": Quantity.MILLISECONDS}

PLACEHOLDERS: Mapping[str, Mapping[str, Quantity]] = MappingProxyType(
    {
        "http": MappingProxyType(
            {
                **_REACHED,
                "STATUS": Quantity.NUMBER,
                "BODY": Quantity.ANY,
                "HEADER": Quantity.NAMED,
                "CERTIFICATE_EXPIRATION": Quantity.SECONDS,
                "IP": Quantity.TEXT,
            }
        ),
        "database": MappingProxyType(
            {
                **_REACHED,
                "VALUE": Quantity.ANY,
                "ROWS": Quantity.NUMBER,
                "ROW": Quantity.NAMED,
                "CONNECTIONS": Quantity.NUMBER,
            }
        ),
        "file": MappingProxyType(
            {
                "EXISTS": Quantity.BOOLEAN,
                "SIZE": Quantity.BYTES,
                "AGE": Quantity.SECONDS,
                "GROWTH": Quantity.BYTES,
                "MATCHES": Quantity.NUMBER,
                "CHECKSUM": Quantity.TEXT,
            }
        ),
    }
)
"""What the conditions of each kind may speak of; the names of Gatus where it has them."""

IMPLIED_CONDITIONS: Mapping[str, tuple[str, ...]] = MappingProxyType({"http": ("[STATUS] < 400",)})
"""What must hold unless one of the target's own conditions names the same placeholder."""

PRESENCE: Mapping[str, str] = MappingProxyType({"http": "CONNECTED", "database": "CONNECTED", "file": "EXISTS"})
"""The placeholder that is false when there is nothing to read; a condition asking for just that is met by a fault."""
