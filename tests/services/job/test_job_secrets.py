"""What jobs are asked to do is sealed when it holds secrets, and only then."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pydantic import TypeAdapter
from secret_keys import VAULT

from shared.domain.channel.channel_identity import has_channel_secrets
from shared.domain.channel.notifications import Channel, CompletionWebhook
from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import JobKind
from shared.domain.job.leases import ClaimedJob
from shared.domain.target.targets import Target
from shared.services.job.job_secrets import JobSecrets, UnsealedWork
from shared.vault import NoSecretKeyError, UnreadableSecretError, Vault, new_key

SECRETS = JobSecrets(VAULT)
CHANNEL: TypeAdapter[Channel] = TypeAdapter(Channel)
TARGETS: TypeAdapter[list[Target]] = TypeAdapter(list[Target])
SPEC = {"targets": [{"kind": "http", "url": "https://h.example/", "headers": {"Authorization": "hunter2"}}]}
HOOK = {"kind": "webhook", "url": "https://hooks.example/hunter2"}


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        (HOOK, True),
        ({"kind": "webhook", "url": "https://hooks.example?t=x"}, True),
        ({"kind": "webhook", "url": "https://u:p@hooks.example"}, True),
        ({"kind": "webhook", "url": "https://hooks.example", "secret": "whsec_x"}, True),
        ({"kind": "webhook", "url": "https://hooks.example/"}, False),
        ({"kind": "email", "to": ["a@b.example"], "smtp_url": "smtp://mail.example"}, True),
        ({"kind": "email", "to": ["a@b.example"]}, False),
    ],
)
def test_what_is_not_shown_of_a_channel_is_a_secret(channel: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    """The path of a webhook often is one."""
    assert has_channel_secrets(CHANNEL.validate_json(json.dumps(channel))) is expected


def sealed_spec(secrets: JobSecrets = SECRETS) -> str:
    return json.dumps(secrets.seal_targets(TARGETS.validate_json(json.dumps(SPEC["targets"])), SPEC))


def test_targets_with_secrets_are_sealed_whole_and_others_are_not() -> None:
    """What comes back is what was sent."""
    assert "hunter2" not in sealed_spec()
    assert json.loads(SECRETS.unseal(sealed_spec())) == SPEC
    plain = {"targets": [{"kind": "file", "path": "/tmp/x", "labels": {"sealed": "no"}}]}
    assert JobSecrets(Vault()).seal_targets(TARGETS.validate_python(plain["targets"]), plain) is plain
    assert SECRETS.unseal(json.dumps(plain)) == json.dumps(plain)


def test_of_a_notification_only_the_channel_is_sealed() -> None:
    """Its message and its kind can be read; a webhook of a job's end becomes the channel as it is kept."""
    channel = SECRETS.seal_channel(CHANNEL.validate_python(HOOK), HOOK)
    assert set(channel) == {"kind", "sealed"}
    spec = {"channel": channel, "message": {"title": "t"}, "event": {"type": "x"}}
    assert json.loads(SECRETS.unseal(json.dumps(spec))) == spec | {"channel": HOOK}
    webhook = {"url": "https://hooks.example/jobs", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    kept = SECRETS.seal_channel(CompletionWebhook.model_validate(webhook), webhook)
    told = json.loads(SECRETS.unseal(json.dumps(spec | {"channel": {"kind": "webhook", **kept}})))
    assert told["channel"] == {"kind": "webhook"} | webhook


def test_without_a_key_nothing_with_secrets_is_taken_or_read() -> None:
    """What is sealed cannot be read with another key either."""
    with pytest.raises(NoSecretKeyError):
        sealed_spec(JobSecrets(Vault()))
    with pytest.raises(NoSecretKeyError):
        JobSecrets(Vault()).unseal(sealed_spec())
    with pytest.raises(UnreadableSecretError):
        JobSecrets(Vault([new_key()])).unseal(sealed_spec())


def test_resealed_jobs_are_read_with_the_new_key_alone() -> None:
    """Whole specs, channels and webhooks; what is not sealed is left."""
    new = new_key()
    alone = JobSecrets(Vault([new]))
    channel = SECRETS.seal_channel(CHANNEL.validate_python(HOOK), HOOK)
    specs = [sealed_spec(), json.dumps({"channel": channel, "message": {"title": "t"}})]
    older = JobSecrets(Vault([new, "dG9jc2luJ3MgdGVzdHMgYXJlIHNlYWxlZCBieSBpdCE="]))
    for spec in specs:
        resealed = json.dumps(older.reseal(json.loads(spec)))
        assert alone.unseal(resealed) == SECRETS.unseal(spec)
    assert older.reseal(SPEC) is None
    assert older.reseal({"channel": {"kind": "email", "to": ["a@b.example"]}, "message": {"title": "t"}}) is None


def claimed(spec: str) -> ClaimedJob:
    return ClaimedJob(
        job_id=uuid4(),
        kind=JobKind.COLLECT,
        queue="tocsin:collect",
        spec=spec,
        attempt=1,
        max_attempts=3,
        dispatch_no=1,
        lease_token=uuid4(),
        started_at=datetime(2026, 11, 21, tzinfo=UTC),
        queue_wait_ms=0.0,
        due_at=datetime(2026, 11, 21, tzinfo=UTC),
        principal_id="tester",
    )


def silent(_: Mapping[str, Any]) -> None:
    """Nobody asks how far the work is."""


class Reader:
    """Work that remembers what it was asked to do."""

    def __init__(self) -> None:
        self.spec = ""

    async def __call__(self, claimed: ClaimedJob, report: ReportProgress) -> Worked:
        self.spec = claimed.spec
        return Worked(result={})


async def test_work_gets_its_job_unsealed_or_is_tried_again_when_a_key_has_come() -> None:
    """A worker without the key fails the attempt, not the job."""
    reader = Reader()
    worked = await UnsealedWork(reader, SECRETS)(claimed(sealed_spec()), silent)
    assert worked.failure is None
    assert json.loads(reader.spec) == SPEC
    worked = await UnsealedWork(reader, JobSecrets(Vault()))(claimed(sealed_spec()), silent)
    assert worked.failure is not None
    assert (worked.failure.code, worked.failure.is_permanent) == ("secret_unreadable", False)
