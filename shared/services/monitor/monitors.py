"""Changing monitors: many at once in one transaction, each judged by itself, locked in one order."""

from collections.abc import Callable, Sequence

from shared.domain.change_results import Done
from shared.domain.live import LiveEvent
from shared.domain.monitor.monitor_changes import KeptMonitor, MonitorChange, MonitorResult
from shared.services.alert.alerting import Alerting
from shared.services.monitor.monitor_batch import decide_all, write_all
from shared.storage.database import Database
from shared.storage.judging.standing_lock import lock_standings
from shared.storage.monitor.monitor_store import MonitorStore, Name
from shared.storage.monitor.monitor_writing import NameTakenError
from shared.vault import Vault

MAX_TRIES = 3
"""How often a batch is begun anew because somebody took a name meanwhile."""
PAGE = 200
"""Monitors read at once: some 5 ms in which nobody else is served."""


class ChangesRefusedError(Exception):
    """One of a batch that is all or nothing was refused, and nothing was changed; `results` tells of each."""

    def __init__(self, results: Sequence[MonitorResult]) -> None:
        super().__init__("one of the changes was refused")
        self.results = results


class Monitors:
    """Makes, changes and deletes monitors; `tell` is given what changed of how they stand, and is not waited for."""

    def __init__(
        self, database: Database, vault: Vault, alerting: Alerting, *, tell: Callable[[Sequence[LiveEvent]], None]
    ) -> None:
        self._database = database
        self._alerting = alerting
        self._tell = tell
        self._vault = vault

    async def change(
        self, changes: Sequence[MonitorChange], *, by: str, is_atomic: bool = False
    ) -> list[MonitorResult]:
        """Carry the changes out that nothing forbids; the results are in their order. What is not done changed nothing.

        Changes of one batch name different monitors. A deletion frees its name for the changes behind it.

        Raises:
            ChangesRefusedError: `is_atomic`, and one of them was refused.
            StorageUnavailableError: the database is away, nothing is known to be changed.
        """
        for _ in range(MAX_TRIES - 1):
            try:
                return await self._try(changes, by=by, is_atomic=is_atomic)
            except NameTakenError:
                continue
        return await self._try(changes, by=by, is_atomic=is_atomic)

    async def _try(self, changes: Sequence[MonitorChange], *, by: str, is_atomic: bool) -> list[MonitorResult]:
        async with self._database.transaction() as work:
            decisions = await decide_all(work, changes, self._vault)
            if is_atomic and not all(isinstance(result, Done) for result in decisions.results):
                raise ChangesRefusedError(decisions.results)
            told = await write_all(work, decisions, by=by)
            applied = await self._alerting.judge(work).refit(await lock_standings(work, decisions.touched))
        self._tell(told)
        self._alerting.tell(applied)
        return decisions.results

    async def find_owned(self, owner: str, names: Sequence[Name] = ()) -> dict[Name, KeptMonitor]:
        """All monitors of an owner, and those of whatever owner that have one of the names, as of one moment."""
        found: dict[Name, KeptMonitor] = {}
        async with self._database.transaction() as work:
            await work.run("set transaction isolation level repeatable read")
            store = MonitorStore(work)
            last: Name = ("", "")
            while page := await store.list_owned(owner, after=last, limit=PAGE):
                found |= {_name_of(kept): kept for kept in page}
                last = _name_of(page[-1])
            others = [name for name in names if name not in found]
            for first in range(0, len(others), PAGE):
                found |= {_name_of(kept): kept for kept in await store.list_named(others[first : first + PAGE])}
        return found

    async def apply_changes(self, changes: Sequence[MonitorChange], *, by: str) -> list[MonitorResult]:
        """Carry all changes out in one transaction, or none.

        Raises:
            ChangesRefusedError: one of them was refused, because something changed since they were planned.
            StorageUnavailableError: the database is away, nothing is known to be changed.
        """
        return await self.change(changes, by=by, is_atomic=True)


def _name_of(kept: KeptMonitor) -> Name:
    return kept.monitor.group, kept.monitor.name
