"""The canaries of a worker as the settings name them: connected to, or asked over HTTP."""

from shared.domain.target.egress import EgressPolicy
from shared.domain.target.egress_canary import Canary, parse_canaries
from shared.domain.target.observation import Fault
from shared.services.target.egress_canary import ASK_SECONDS, Ask, EgressCanary
from shared.transport.curl import CurlClient
from shared.transport.dialling import Dialler
from shared.transport.http_exchange import HttpFault, HttpRequest
from shared.transport.resolver import Resolver


class Canaries:
    """The canaries of a process and the client they are asked by. What the operator named may be dialled anywhere."""

    def __init__(self, setting: str, resolver: Resolver) -> None:
        """Make them.

        Raises:
            ValueError: one of them is written wrongly; the sentence names the setting.
        """
        canaries = parse_canaries(setting)
        self._dialler = Dialler(resolver, EgressPolicy.parse("any", allow_loopback=True))
        self._client = CurlClient(self._dialler)
        self.watched = EgressCanary([self._ask_of(canary) for canary in canaries])

    async def close(self) -> None:
        """Close the client."""
        await self._client.close()

    def _ask_of(self, canary: Canary) -> Ask:
        url = canary.url
        if url is None:
            return lambda: self._connect(canary)
        return lambda: self._fetch(url)

    async def _connect(self, canary: Canary) -> bool:
        connection = await self._dialler.connect(canary.host, canary.port, timeout_seconds=ASK_SECONDS)
        if isinstance(connection, Fault):
            return False
        connection.close()
        return True

    async def _fetch(self, url: str) -> bool:
        request = HttpRequest(url, timeout_seconds=ASK_SECONDS, follow_redirects=False, read_limit=1)
        return not isinstance(await self._client.fetch(request), HttpFault)
