"""A client that may dial loopback, and certificates of an authority that it trusts."""

import ssl
from collections.abc import AsyncIterator, Callable
from datetime import datetime

import pytest
import trustme

from shared.domain.target.egress import EgressPolicy
from shared.transport import curl, curl_faults
from shared.transport.curl import CurlClient
from shared.transport.dialling import Dialler
from shared.transport.resolver import Resolver

TlsContext = Callable[..., ssl.SSLContext]


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> TlsContext:
    """Make a server's context for names, ending when told, by the trusted authority or another."""

    def make(*names: str, ends: datetime | None = None, by: trustme.CA | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate = (by or authority).issue_cert(*(names or ("localhost", "127.0.0.1")), not_after=ends)
        certificate.configure_cert(context)
        return context

    return make


@pytest.fixture(scope="session")
async def resolver() -> AsyncIterator[Resolver]:
    resolver = Resolver()
    yield resolver
    await resolver.close()


@pytest.fixture(scope="session")
def loopback() -> EgressPolicy:
    """Public addresses and loopback: what a test server needs, and forbidden addresses to run into."""
    return EgressPolicy.parse("public", allow_loopback=True)


@pytest.fixture(params=["plain", "libcurl"])
def engine(request: pytest.FixtureRequest) -> str:
    """Plain HTTP as it is asked by us, and by libcurl: both tell the same."""
    return str(request.param)


@pytest.fixture
async def client(
    engine: str, resolver: Resolver, loopback: EgressPolicy, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[CurlClient]:
    monkeypatch.setattr(curl, "IS_SUPPORTED", engine == "plain")
    # On a machine busy with other tests a timeout may be noticed late, which the client would rightly blame on us.
    monkeypatch.setattr(curl_faults, "LATE_MS", 10_000)
    client = CurlClient(Dialler(resolver, loopback), ca_file=ca_file)
    yield client
    await client.close()
