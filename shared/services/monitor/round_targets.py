"""The monitors of rounds with their targets unsealed, remembered in this process's memory and nowhere else."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from pydantic import TypeAdapter, ValidationError

from shared.domain.monitor.looks import WatchedMonitor
from shared.domain.monitor.slots import Visit
from shared.domain.target.observation import Blame, Fault
from shared.domain.target.targets import Target
from shared.storage.database import Database
from shared.storage.monitor.round_store import RoundMonitor, RoundStore
from shared.vault import NoSecretKeyError, UnreadableSecretError, Vault

_log = structlog.get_logger()

REMEMBERED_MONITORS = 20_000
"""How many monitors are kept read, some kilobytes each: what is collected again and again is read once."""

_TARGET: TypeAdapter[Target] = TypeAdapter(Target)
_UNREADABLE = Fault("unreadable_target", "this worker's version cannot read the monitor's target", Blame.OURS)


@dataclass(frozen=True, slots=True)
class RoundTarget:
    """A monitor and what to collect, or why that cannot be known here."""

    monitor: WatchedMonitor
    target: Target | Fault


class RoundTargets:
    """Finds what a round looks at; a monitor is read again when the round was made of a later version of it."""

    def __init__(self, database: Database, vault: Vault, *, capacity: int = REMEMBERED_MONITORS) -> None:
        self._database = database
        self._vault = vault
        self._capacity = capacity
        self._known: OrderedDict[UUID, RoundTarget] = OrderedDict()

    async def find(self, visits: Sequence[Visit]) -> Mapping[UUID, RoundTarget]:
        """The targets of the visits' monitors, at least as new as those were scheduled by; deleted ones are missing.

        Raises:
            StorageUnavailableError: the database is away.
        """
        unknown = {visit.monitor_id for visit in visits if not self._is_known(visit)}
        if unknown:
            async with self._database.one_statement() as work:
                found = await RoundStore(work).find_monitors(sorted(unknown))
            for monitor_id in unknown:
                self._known.pop(monitor_id, None)
            self._known |= {monitor_id: self._read(monitor) for monitor_id, monitor in found.items()}
        targets: dict[UUID, RoundTarget] = {}
        for visit in visits:
            monitor_id = visit.monitor_id
            known = self._known.get(monitor_id)
            if known is not None:
                targets[monitor_id] = known
                self._known.move_to_end(monitor_id)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return targets

    def _is_known(self, visit: Visit) -> bool:
        known = self._known.get(visit.monitor_id)
        # What could not be read is tried again: a key may have come.
        return known is not None and known.monitor.version >= visit.version and not isinstance(known.target, Fault)

    def _read(self, monitor: RoundMonitor) -> RoundTarget:
        try:
            text = self._vault.unseal(monitor.target) if monitor.is_sealed else monitor.target
            return RoundTarget(monitor.watched, _TARGET.validate_json(text))
        except (NoSecretKeyError, UnreadableSecretError) as error:
            return RoundTarget(monitor.watched, Fault("secret_unreadable", str(error), Blame.OURS))
        except ValidationError as error:
            _log.error("target_unreadable", monitor_id=str(monitor.watched.monitor_id), errors=error.error_count())
            return RoundTarget(monitor.watched, _UNREADABLE)
