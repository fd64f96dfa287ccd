"""The tables, one file a noun; classes end in Row and never leave storage."""

from shared.storage.tables import (
    alerts,
    api_keys,
    archive,
    fleet,
    jobs,
    monitors,
    notices,
    pinging,
    rollups,
    rules,
    samples,
    suppressions,
)
from shared.storage.tables.base import Row

# Importing a module hangs its tables on the metadata; one that is missing here would be missing in the database.
TABLE_MODULES = (
    alerts,
    api_keys,
    archive,
    fleet,
    jobs,
    monitors,
    notices,
    pinging,
    rollups,
    rules,
    samples,
    suppressions,
)

metadata = Row.metadata
