"""Trying channels out: one that is kept by a notice, one that is not by a message that nothing is kept of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from shared.clock import Clock
from shared.domain.channel.channel_documents import document_of
from shared.domain.channel.channel_specs import ChannelSpec
from shared.domain.channel.channel_trial import TRIAL_PRIORITY, TRIAL_STALE_AFTER, TRIAL_TRIES, trial_content
from shared.domain.job.jobs import Job, JobKind, NewJob
from shared.domain.notice.notice_words import render_notice
from shared.domain.notice.notices import NoticeKind
from shared.services.job.announcer import Announcer
from shared.services.job.job_secrets import JobSecrets
from shared.storage.channel.channel_store import ChannelStore
from shared.storage.database import Database
from shared.storage.job.job_store import JobStore
from shared.storage.notice.notice_store import NewNotice, NoticeStore


@dataclass(frozen=True, slots=True)
class Trial:
    """A test that was begun, and the job that carries it."""

    notice_id: UUID
    job: Job


class ChannelTrials:
    """Begins tests of channels; the job's end says how it went."""

    def __init__(self, database: Database, announcer: Announcer, *, clock: Clock) -> None:
        self._database = database
        self._announcer = announcer
        self._clock = clock

    async def begin(self, channel_id: UUID) -> Trial | None:
        """Tell a channel a test, even if it is disabled or its circuit is open; None when there is no such channel.

        Raises:
            StorageUnavailableError: the database is away, nothing is known to be begun.
        """
        notice_id, job_id, now = uuid7(), uuid7(), self._clock()
        async with self._database.transaction() as work:
            stored = await ChannelStore(work).find(channel_id)
            if stored is None or stored.deleted_at is not None:
                return None
            name, notices = stored.channel.name, NoticeStore(work)
            notice = NewNotice(
                notice_id=notice_id,
                job_id=job_id,
                channel_id=channel_id,
                channel_name=name,
                group_id=None,
                kind=NoticeKind.TEST,
                flush_at=now,
            )
            rings = await notices.add([notice], now=now)
            await notices.freeze(notice_id, trial_content(notice_id, receiver=name, now=now))
            jobs = await JobStore(work).find_jobs([job_id])
        self._announcer.announce([], rings)
        return Trial(notice_id, jobs[job_id])

    def job_for(self, spec: ChannelSpec, secrets: JobSecrets, *, principal_id: str) -> NewJob:
        """The job that tries a channel out which is not kept, by its own words; to be submitted.

        Raises:
            NoSecretKeyError: it holds secrets, and there is no key.
        """
        job_id, now = uuid7(), self._clock()
        told = render_notice(trial_content(job_id, receiver=spec.name, now=now), templates=spec.options.templates)
        channel: Mapping[str, Any] = document_of(spec.channel)
        sealed = {
            "channel": secrets.seal_channel(spec.channel, channel),
            "message": {"title": told.title, "text": told.text},
        }
        return NewJob(
            job_id=job_id,
            kind=JobKind.NOTIFY,
            spec=msgspec.json.encode(sealed).decode(),
            run_at=now,
            max_attempts=TRIAL_TRIES,
            principal_id=principal_id,
            priority=TRIAL_PRIORITY,
            expires_at=now + TRIAL_STALE_AFTER,
        )
