"""Making, changing and deleting channels, each change in one transaction."""

from collections.abc import Callable, Mapping, Sequence

from pydantic import ValidationError

from shared.domain.change_results import CannotSeal
from shared.domain.channel.channel_changes import ChannelChange, ChannelResult, InvalidChannel
from shared.domain.channel.channel_health import ChannelState
from shared.domain.live import LiveEvent
from shared.domain.monitor.target_documents import WrongPlaceError
from shared.services.channel.channel_changing import ChannelChanging, NameTakenMeanwhileError
from shared.storage.channel.channel_reading import ChannelReading
from shared.storage.database import Database
from shared.vault import NoSecretKeyError, UnreadableSecretError, Vault

MAX_TRIES = 3
"""How often a change is begun anew because somebody took the name meanwhile."""


class Channels:
    """Changes channels; a channel's rate is a limit of the jobs that tell it, changed with it.

    `tell` is given what was switched on and off, and is not waited for.
    """

    def __init__(self, database: Database, vault: Vault, *, tell: Callable[[Sequence[LiveEvent]], None]) -> None:
        self._database = database
        self._tell = tell
        self._vault = vault

    async def change(self, change: ChannelChange, *, by: str) -> ChannelResult:
        """Carry a change out, unless something forbids it.

        Raises:
            StorageUnavailableError: the database is away, nothing is known to be changed.
        """
        for _ in range(MAX_TRIES - 1):
            try:
                return await self._try(change, by)
            except NameTakenMeanwhileError:
                continue
        return await self._try(change, by)

    async def count_states(self) -> Mapping[ChannelState, int]:
        """How many channels work, fail and are disabled.

        Raises:
            StorageUnavailableError: the database is away.
        """
        async with self._database.transaction() as work:
            return await ChannelReading(work).count_states()

    async def _try(self, change: ChannelChange, by: str) -> ChannelResult:
        try:
            async with self._database.transaction() as work:
                changing = ChannelChanging(work, self._vault, by)
                result = await changing.run(change)
        except (ValidationError, WrongPlaceError) as error:
            return InvalidChannel(error)
        except (NoSecretKeyError, UnreadableSecretError) as error:
            return CannotSeal(str(error))
        self._tell(changing.told)
        return result
