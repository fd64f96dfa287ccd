"""The secrets of jobs: sealed before a job is kept, unsealed in the memory of the worker that does it.

A collect job is sealed whole, `{"sealed": "…"}`; of a notify job only the channel is, so that what is told can be read.
The webhook that is told a job's end is sealed like a channel, and becomes that of the notification as it stands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import msgspec

from shared.domain.channel.channel_identity import has_channel_secrets
from shared.domain.channel.notifications import Channel, CompletionWebhook
from shared.domain.job.attempts import ReportProgress, Worked
from shared.domain.job.jobs import Failure
from shared.domain.job.leases import ClaimedJob
from shared.domain.secret.secrets import has_secrets
from shared.domain.target.targets import Target
from shared.vault import NoSecretKeyError, UnreadableSecretError, Vault

SEALED = "sealed"
_MARK = f'"{SEALED}"'


class _Work(Protocol):
    async def __call__(self, claimed: ClaimedJob, report: ReportProgress) -> Worked: ...


class JobSecrets:
    """Seals and unseals what jobs are asked to do."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def seal_targets(self, targets: Sequence[Target], spec: Mapping[str, Any]) -> Mapping[str, Any]:
        """The spec of a collect job, sealed if one of its targets holds secrets.

        Raises:
            NoSecretKeyError: it does, and there is no key.
        """
        return self._seal(spec) if any(has_secrets(target) for target in targets) else spec

    def seal_channel(self, channel: Channel | CompletionWebhook, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """The channel as it is kept, sealed if it holds secrets; `raw` is the channel as it was sent.

        Raises:
            NoSecretKeyError: it does, and there is no key.
        """
        return {**_kind_of(raw), **self._seal(raw)} if has_channel_secrets(channel) else raw

    def unseal(self, spec: str) -> str:
        """What a job is asked to do, secrets and all; JSON as text.

        Raises:
            NoSecretKeyError: it is sealed, and there is no key.
            UnreadableSecretError: it is sealed with another key.
        """
        if _MARK not in spec:
            return spec
        match msgspec.json.decode(spec):
            case {"sealed": str() as token}:
                return self._vault.unseal(token)
            case {"channel": {"sealed": str() as token} as channel, **rest}:
                opened = {**_kind_of(channel), **msgspec.json.decode(self._vault.unseal(token))}
                return msgspec.json.encode({"channel": opened, **rest}).decode()
        return spec

    def reseal(self, kept: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """A spec or webhook as it is kept, sealed by the first key; None when nothing in it is sealed.

        Raises:
            NoSecretKeyError: there is no key.
            UnreadableSecretError: it is sealed with another key.
        """
        match kept:
            case {"sealed": str() as token}:
                return {**kept, SEALED: self._vault.reseal(token)}
            case {"channel": {"sealed": str()} as channel}:
                return {**kept, "channel": self.reseal(channel)}
        return None

    def _seal(self, value: Mapping[str, Any]) -> dict[str, str]:
        return {SEALED: self._vault.seal(msgspec.json.encode(value).decode())}


class UnsealedWork:
    """Work that is given its jobs unsealed. A missing key is our fault and may come: the attempt is tried again."""

    def __init__(self, work: _Work, secrets: JobSecrets) -> None:
        self._work = work
        self._secrets = secrets

    async def __call__(self, claimed: ClaimedJob, report: ReportProgress) -> Worked:
        """Unseal the job, then do the work."""
        try:
            spec = self._secrets.unseal(claimed.spec)
        except (NoSecretKeyError, UnreadableSecretError) as error:
            return Worked(failure=Failure("secret_unreadable", str(error)))
        return await self._work(replace(claimed, spec=spec), report)


def _kind_of(channel: Mapping[str, Any]) -> dict[str, Any]:
    """What is left to be seen of a sealed channel."""
    return {"kind": channel["kind"]} if "kind" in channel else {}
