"""Deletes what has been kept of alerts long enough, a bounded batch at a time."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from shared.storage.advisory_locks import ALERT_RETENTION
from shared.storage.database import UnitOfWork

_IN_FLIGHT = timedelta(hours=1)
"""Longer than any transaction lasts: what began before a rule or channel was deleted may still speak of it."""


class AlertRetentionStore:
    """Deletes alerts that are over, and what was kept for their sake, within one unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def try_lock(self) -> bool:
        """Whether this transaction is the one that deletes; another's end is not waited for."""
        rows = await self._work.fetch("select pg_try_advisory_xact_lock($1) as is_locked", ALERT_RETENTION)
        return bool(rows[0].is_locked)

    async def delete_fired(self, *, older_than: timedelta, limit: int) -> int:
        """Delete alerts that were resolved longer ago than that, unless somebody is still owed word of it."""
        return await self._delete_alerts("true", older_than, limit)

    async def delete_cleared(self, *, older_than: timedelta, limit: int) -> int:
        """Delete alerts that ended longer ago than that without having fired."""
        return await self._delete_alerts("a.fired_at is null", older_than, limit)

    async def _delete_alerts(self, which: str, older_than: timedelta, limit: int) -> int:
        rows = await self._work.fetch(
            f"""
            delete from alerts where alert_id in (
                select alert_id from alerts a
                where {which} and a.resolved_at is not null and a.resolved_at < now() - $1::interval
                  and not exists (select from tellings t where t.alert_id = a.alert_id and not t.is_settled)
                order by a.resolved_at limit $2 for update skip locked)
            returning alert_id
            """,
            older_than,
            limit,
        )
        return await self._delete_rest("alert_id", [row.alert_id for row in rows], "tellings", "alert_events")

    async def delete_notices(self, *, older_than: timedelta, limit: int) -> int:
        """Delete notices that ended longer ago than that."""
        result = await self._work.run(
            """
            delete from notices where notice_id in (
                select notice_id from notices
                where ended_at is not null and ended_at < now() - $1::interval
                order by ended_at limit $2 for update skip locked)
            """,
            older_than,
            limit,
        )
        return result.rowcount

    async def delete_rules(self, *, limit: int) -> int:
        """Delete rules that are deleted and that no alert and no judgement speaks of any more, with their versions."""
        rows = await self._work.fetch(
            """
            delete from alert_rules where rule_id in (
                select rule_id from alert_rules r
                where r.deleted_at < now() - $1::interval
                  and not exists (select from alerts a where a.rule_id = r.rule_id)
                  and not exists (select from judgements j where j.rule_id = r.rule_id)
                order by rule_id limit $2 for update skip locked)
            returning rule_id
            """,
            _IN_FLIGHT,
            limit,
        )
        return await self._delete_rest("rule_id", [row.rule_id for row in rows], "alert_rule_versions")

    async def delete_channels(self, *, limit: int) -> int:
        """Delete channels that are deleted, owe nothing, and have no notice that is kept, with their groups."""
        rows = await self._work.fetch(
            """
            delete from channels where channel_id in (
                select channel_id from channels c
                where c.deleted_at < now() - $1::interval
                  and not exists (select from notices n where n.channel_id = c.channel_id)
                  and not exists (
                      select from alert_groups g join tellings t on t.group_id = g.group_id and not t.is_settled
                      where g.channel_id = c.channel_id)
                order by channel_id limit $2 for update skip locked)
            returning channel_id
            """,
            _IN_FLIGHT,
            limit,
        )
        return await self._delete_rest("channel_id", [row.channel_id for row in rows], "alert_groups")

    async def _delete_rest(self, key: str, gone: Sequence[UUID], *tables: str) -> int:
        """Delete what these tables kept for the sake of what is gone; answer how many of that there were."""
        for table in tables if gone else ():
            await self._work.run(f"delete from {table} where {key} = any($1::uuid[])", gone)
        return len(gone)
