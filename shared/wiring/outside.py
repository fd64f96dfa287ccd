"""What a worker reaches the world by: collectors, canaries and notifiers, none of which dials our own servers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import structlog

from shared.collectors.file import FileCollector
from shared.collectors.registry import build_collectors
from shared.coordination.breaker import Breaker
from shared.coordination.file_marks import MarksInRedis
from shared.domain.target.egress import EgressPolicy
from shared.notifiers.base import Notifier
from shared.notifiers.registry import build_notifiers
from shared.services.secret.secrets import SecretValues
from shared.services.target.collection import Collection
from shared.services.target.egress_blame import with_canary
from shared.services.target.egress_canary import EgressCanary
from shared.settings import Settings
from shared.transport.curl import CurlClient
from shared.transport.dialling import Dialler
from shared.transport.resolver import Resolved, Resolver
from shared.wiring.canaries import Canaries
from shared.wiring.process import ProcessContext

_log = structlog.get_logger()

POSTGRESQL_PORT = 5432
REDIS_PORT = 6379
OWN_NAMES_TIMEOUT_SECONDS = 5.0


class InvalidSettingError(Exception):
    """A setting cannot be read; the message names it."""


@dataclass(frozen=True)
class Outside:
    """What a worker process dials by."""

    resolver: Resolver
    canaries: Canaries
    collection: Collection
    notifiers: Mapping[str, Notifier[Any]]

    @classmethod
    async def open(cls, context: ProcessContext) -> "Outside":
        """Make it; names of our own servers are resolved, so that collectors are never aimed at them.

        Raises:
            InvalidSettingError: what may be dialled is written wrongly.
        """
        resolver = Resolver()
        own = await own_endpoints(context.settings, resolver)
        try:
            canaries = Canaries(context.settings.canaries, resolver)
            collection = _build_collection(context, resolver, own=own, egress=canaries.watched)
            notifiers = _build_notifiers(context.settings, resolver, own=own)
        except ValueError as error:
            await resolver.close()
            raise InvalidSettingError(str(error)) from error
        return cls(resolver, canaries, collection, notifiers)

    async def close(self) -> None:
        """Let go of what collectors and notifiers keep open."""
        await self.collection.close()
        await self.canaries.close()
        for notifier in self.notifiers.values():
            await notifier.close()
        await self.resolver.close()


def _build_collection(
    context: ProcessContext, resolver: Resolver, *, own: Sequence[str], egress: EgressCanary
) -> Collection:
    settings = context.settings
    policy = EgressPolicy.parse(
        settings.egress, settings.egress_allow, allow_loopback=settings.egress_loopback, denied_endpoints=own
    )
    dialler = Dialler(resolver, policy)
    files = FileCollector(settings.file_roots.split(":"), MarksInRedis(context.redis), clock=context.clock)
    collectors = build_collectors(
        dialler,
        CurlClient(dialler, max_total=settings.target_slots),
        files=files,
        allows_local_sockets=settings.egress_loopback,
    )
    return Collection(
        with_canary(collectors, egress),
        clock=context.clock,
        target_slots=settings.target_slots,
        host_slots=settings.host_slots,
        breaker=Breaker(context.redis),
        secrets=SecretValues(context.database, context.vault),
    )


def _build_notifiers(settings: Settings, resolver: Resolver, *, own: Sequence[str]) -> Mapping[str, Notifier[Any]]:
    policy = EgressPolicy.parse(
        settings.webhook_egress,
        settings.egress_allow,
        allow_loopback=settings.egress_loopback,
        denied_endpoints=own,
        setting="TOCSIN_WEBHOOK_EGRESS",
    )
    dialler = Dialler(resolver, policy)
    smtp_url = settings.smtp_url.get_secret_value() if settings.smtp_url else None
    return build_notifiers(dialler, CurlClient(dialler), mail_from=settings.mail_from, smtp_url=smtp_url)


async def own_endpoints(settings: Settings, resolver: Resolver) -> list[str]:
    """`address:port` of our own database, broker and API, which are never dialled for somebody."""
    places: list[tuple[str, int]] = [(settings.host, settings.port)]
    for url, port in ((settings.database_url, POSTGRESQL_PORT), (settings.redis_url, REDIS_PORT)):
        parts = urlsplit(url.get_secret_value() if url else "")
        if parts.hostname:
            places.append((parts.hostname, parts.port or port))
    found: list[str] = []
    for host, port in places:
        resolved = await resolver.resolve(host, timeout_seconds=OWN_NAMES_TIMEOUT_SECONDS)
        if not isinstance(resolved, Resolved):
            _log.warning("own_server_not_resolved", host=host, reason=resolved.message)
            continue
        found += [f"[{address}]:{port}" if ":" in address else f"{address}:{port}" for address in resolved.addresses]
    return found
