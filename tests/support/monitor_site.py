"""Monitors of one database, changed as the API changes them, and what that told."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from quiet_alerting import quiet_alerting
from uuid_utils.compat import uuid7

from shared.domain.change_results import Made
from shared.domain.live import LiveEvent
from shared.domain.monitor.monitor_changes import CreateMonitor, MonitorChange, MonitorResult
from shared.domain.monitor.monitors import MonitorSpec
from shared.domain.monitor.standing import Standing, StateChange
from shared.services.monitor.monitors import Monitors
from shared.storage.database import Database
from shared.storage.monitor.monitor_state_store import MonitorStateStore, NewState
from shared.vault import Vault, new_key


class Site:
    """Monitors of one database, and what they told."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.told: list[LiveEvent] = []
        self.monitors = Monitors(database, Vault([new_key()]), quiet_alerting(), tell=self.told.extend)

    async def change(self, *changes: MonitorChange, is_atomic: bool = False) -> list[MonitorResult]:
        """What the changes come to."""
        return await self.monitors.change(changes, by="tests", is_atomic=is_atomic)

    async def make(self, *names: str, **fields: Any) -> list[UUID]:
        """Monitors with these names."""
        results = await self.change(*(CreateMonitor(uuid7(), spec(name, **fields)) for name in names))
        assert all(isinstance(result, Made) for result in results)
        return [result.item_id for result in results if isinstance(result, Made)]

    async def rows(self, statement: str, *parameters: object) -> Sequence[Any]:
        """What the database says."""
        async with self.database.transaction() as work:
            return await work.fetch(statement, *parameters)

    async def stand(self, monitor_id: UUID, standing: Standing) -> None:
        """Let the monitor stand so."""
        async with self.database.transaction() as work:
            store = MonitorStateStore(work)
            await store.add_spans([(monitor_id, StateChange(standing.since, standing.state))])
            await store.update({monitor_id: NewState(standing)})


def spec(name: str, **fields: Any) -> MonitorSpec:
    """A monitor of a shop."""
    target = {"kind": "http", "url": f"https://{name}.example/", "headers": {"X-Key": "tiger"}}
    return MonitorSpec.model_validate({"name": name, "target": target, "interval": "10s"} | fields, strict=False)
