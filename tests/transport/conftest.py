"""A client that may dial loopback, and certificates of an authority that it trusts."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from shared.domain.egress import EgressPolicy
from shared.transport.curl import CurlClient
from shared.transport.dialling import Dialler
from shared.transport.resolver import Resolver


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="session")
async def resolver() -> AsyncIterator[Resolver]:
    resolver = Resolver()
    yield resolver
    await resolver.close()


@pytest.fixture
async def client(resolver: Resolver, ca_file: Path) -> AsyncIterator[CurlClient]:
    policy = EgressPolicy.parse("public", allow_loopback=True)
    client = CurlClient(Dialler(resolver, policy), ca_file=str(ca_file))
    yield client
    await client.close()
