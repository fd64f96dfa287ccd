"""TLS to databases: the name of the DSN is verified, while a checked address is dialled."""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from shared.collectors.database import DatabaseCollector
from shared.collectors.postgresql import PostgresqlDriver, _context
from shared.domain.target.egress import EgressPolicy
from shared.domain.target.targets import DatabaseTarget
from shared.transport.dialling import Dialler
from shared.transport.resolver import Resolver

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
REFUSAL = b"SFATAL\0C28P01\0Mwrong password\0\0"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[trustme.CA]:
    """An authority that the driver trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setattr("shared.collectors.postgresql.find_ca_file", lambda: str(tmp_path / "ca.pem"))
    _context.cache_clear()
    yield authority
    _context.cache_clear()


@asynccontextmanager
async def serving(certificate: trustme.LeafCert) -> AsyncIterator[int]:
    """A server that turns to TLS as PostgreSQL does, and then refuses the password."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # `prefer` comes a second time, without asking for TLS, when it was refused over TLS.
            if await reader.readexactly(8) == SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(context)
                await reader.readexactly(4)
            writer.write(b"E" + struct.pack("!i", len(REFUSAL) + 4) + REFUSAL)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def fault_code(port: int, mode: str, host: str = "localhost") -> str:
    resolver = Resolver()
    dialler = Dialler(resolver, EgressPolicy.parse("any", allow_loopback=True))
    collector = DatabaseCollector({"postgresql": PostgresqlDriver(dialler, allows_local_sockets=False)})
    dsn = f"postgresql://u:hunter2@{host}:{port}/d?sslmode={mode}"
    try:
        seen = await collector.collect(DatabaseTarget.model_validate({"kind": "database", "dsn": dsn}))
    finally:
        await resolver.close()
    assert seen.fault is not None
    assert "hunter2" not in seen.fault.message
    return seen.fault.code


async def test_a_certificate_for_the_name_is_accepted(authority: trustme.CA) -> None:
    """The handshake passes, so that the server gets to refuse the password."""
    async with serving(authority.issue_cert("localhost")) as port:
        assert await fault_code(port, "verify-full") == "authentication_failed"


async def test_a_certificate_for_another_name_is_not(authority: trustme.CA) -> None:
    """Whoever answers at the address has to be who the DSN names."""
    async with serving(authority.issue_cert("other.example")) as port:
        assert await fault_code(port, "verify-full") == "tls_invalid"


async def test_an_unknown_authority_is_not(authority: trustme.CA) -> None:
    """A certificate that anybody could have made proves nothing."""
    async with serving(trustme.CA().issue_cert("localhost")) as port:
        assert await fault_code(port, "verify-full") == "tls_invalid"


@pytest.mark.parametrize("mode", ["require", "prefer"])
async def test_without_verification_any_certificate_will_do(authority: trustme.CA, mode: str) -> None:
    """As in libpq: encrypted, but not authenticated."""
    async with serving(trustme.CA().issue_cert("other.example")) as port:
        assert await fault_code(port, mode) == "authentication_failed"
