"""Idempotency keys (draft-ietf-httpapi-idempotency-key-header), written in the transaction of their job."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from shared.storage.database import UnitOfWork

KEPT_FOR = timedelta(hours=24)
"""How long a key is remembered, as Stripe does; the API's documentation promises it."""


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """A principal's key, the SHA-256 of what it was sent with, and the job it would make."""

    principal_id: str
    key: str
    fingerprint: bytes
    job_id: UUID


class IdempotencyStore:
    """Claims keys within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def claim(self, claims: Sequence[KeyClaim]) -> dict[tuple[str, str], KeyClaim]:
        """Insert the keys that are free; answer, for each (principal, key), the claim that stands now.

        A concurrent claim of the same key waits for the other transaction's end by the primary key, so there is no
        moment in which both win. An expired key is free. `claims` must not name a key twice.
        """
        ordered = sorted(claims, key=lambda claim: (claim.principal_id, claim.key))
        await self._work.run(
            """
            insert into idempotency_keys as held (principal_id, key, fingerprint, job_id, expires_at)
            select principal_id, key, fingerprint, job_id, now() + $5::interval
            from unnest($1::text[], $2::text[], $3::bytea[], $4::uuid[]) as c (principal_id, key, fingerprint, job_id)
            on conflict (principal_id, key) do update
            set fingerprint = excluded.fingerprint, job_id = excluded.job_id, expires_at = excluded.expires_at
            where held.expires_at < now()
            """,
            [claim.principal_id for claim in ordered],
            [claim.key for claim in ordered],
            [claim.fingerprint for claim in ordered],
            [claim.job_id for claim in ordered],
            KEPT_FOR,
        )
        rows = await self._work.fetch(
            """
            select held.principal_id, held.key, fingerprint, job_id from idempotency_keys held
            join unnest($1::text[], $2::text[]) as c (principal_id, key)
                 on c.principal_id = held.principal_id and c.key = held.key
            """,
            [claim.principal_id for claim in ordered],
            [claim.key for claim in ordered],
        )
        return {
            (row.principal_id, row.key): KeyClaim(row.principal_id, row.key, row.fingerprint, row.job_id)
            for row in rows
        }

    async def settle(self, claims: Sequence[KeyClaim]) -> None:
        """Let keys that this transaction claimed stand for the jobs now named."""
        await self._work.run(
            """
            update idempotency_keys held set job_id = c.job_id
            from unnest($1::text[], $2::text[], $3::uuid[]) as c (principal_id, key, job_id)
            where held.principal_id = c.principal_id and held.key = c.key
            """,
            [claim.principal_id for claim in claims],
            [claim.key for claim in claims],
            [claim.job_id for claim in claims],
        )

    async def release(self, claims: Sequence[KeyClaim]) -> None:
        """Free keys that this transaction claimed for what was refused."""
        await self._work.run(
            """
            delete from idempotency_keys held using unnest($1::text[], $2::text[]) as c (principal_id, key)
            where held.principal_id = c.principal_id and held.key = c.key
            """,
            [claim.principal_id for claim in claims],
            [claim.key for claim in claims],
        )

    async def delete_expired(self, *, limit: int) -> int:
        """Forget keys whose time is over; answer how many."""
        result = await self._work.run(
            """
            delete from idempotency_keys where (principal_id, key) in
                (select principal_id, key from idempotency_keys where expires_at < now() limit $1
                 for update skip locked)
            """,
            limit,
        )
        return result.rowcount
