"""What the audit of alerts goes by: what the database holds, what receivers heard, and what was found."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

Place = tuple[str, UUID]
"""A channel, or a sort of record, and the alert or notice."""
Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Heard:
    """A request that a receiver got, and whether it took it; `alerts` are their ids and what was said of them."""

    number: int
    channel: str
    notice_id: UUID
    digest: str
    is_taken: bool
    alerts: tuple[tuple[UUID, str], ...]


@dataclass(frozen=True, slots=True)
class KeptAlert:
    """An alert as the database holds it; `steps` are its transitions and their moments, in the order written."""

    alert_id: UUID
    rule: str
    fingerprint: bytes
    monitor_id: UUID
    shelf: str
    state: str
    started_at: datetime
    fired_at: datetime | None
    resolved_at: datetime | None
    steps: tuple[tuple[str, datetime], ...]


@dataclass(frozen=True, slots=True)
class KeptTelling:
    """What the ledger says of an alert on a channel."""

    alert_id: UUID
    channel: str
    fire_notice_id: UUID | None
    resolve_notice_id: UUID | None
    is_held_back: bool
    is_settled: bool


@dataclass(frozen=True, slots=True)
class AlertRecords:
    """All that the database holds of alerts; `downs` are the times in which each monitor that is left was down."""

    alerts: Sequence[KeptAlert]
    tellings: Sequence[KeptTelling]
    notices: Mapping[UUID | None, str]
    downs: Mapping[UUID, Sequence[Span]]


@dataclass(frozen=True, slots=True)
class AlertReckoning:
    """What was found: each fault with the place it befell, and the figures of the line."""

    lost: Mapping[Place, str]
    unpaired: Mapping[Place, str]
    changed: Mapping[Place, str]
    """Repeats that do not say what was said before, and news that came under two ids."""
    illegal: Mapping[Place, str]
    contradicting: Mapping[Place, str]
    """Alerts about states that their monitor's timeline does not bear out, and the other way round."""
    alerts: int
    fired: int
    held_back: int
    """Tellings whose alert was over before anything let it go."""
    notices: int
    repeats: int
    """Notices that a receiver took, and was told again."""
    untaken: int

    @property
    def is_clean(self) -> bool:
        """Whether there is no fault."""
        return not (self.lost or self.unpaired or self.changed or self.illegal or self.contradicting)

    @property
    def faults(self) -> Iterator[tuple[str, Place, str]]:
        """Each fault: what sort, where, why."""
        for word in ("lost", "unpaired", "changed", "illegal", "contradicting"):
            yield from ((word, place, why) for place, why in getattr(self, word).items())

    def line(self) -> str:
        """The whole run in one line."""
        return (
            f"alerts {self.alerts} · fired {self.fired} · lost {len(self.lost)} · unpaired {len(self.unpaired)}"
            f" · changed {len(self.changed)} · illegal {len(self.illegal)}"
            f" · contradicting {len(self.contradicting)} · held back {self.held_back}"
            f" · notices {self.notices} · repeated {self.repeats} · refused {self.untaken}"
        )
