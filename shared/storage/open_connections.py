"""The connections an engine has open, to be given up together when one of them is found to be silent."""

from weakref import WeakSet

from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry


class OpenConnections:
    """Knows what is open of an engine, lent or not."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._entries: WeakSet[ConnectionPoolEntry] = WeakSet()
        event.listen(engine.sync_engine, "connect", self._note)

    def distrust(self) -> None:
        """Let no connection be lent again as it is; what is lent goes on."""
        for entry in list(self._entries):
            entry.invalidate(soft=True)

    def give_up(self) -> int:
        """Break off every connection, whatever waits on it, so that the next ones are made anew; how many there were.

        What waited is told that its connection was lost, and tries again where trying again is safe.
        """
        self.distrust()
        drivers = [entry.driver_connection for entry in list(self._entries) if entry.driver_connection is not None]
        for driver in drivers:
            driver.terminate()
        return len(drivers)

    def _note(self, _: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        self._entries.add(entry)
