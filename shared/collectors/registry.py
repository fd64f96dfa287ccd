"""Which collector reads which kind of target; a new kind joins here."""

from shared.collectors.base import Collectors
from shared.collectors.database import DatabaseCollector
from shared.collectors.file import FileCollector
from shared.collectors.http import HttpCollector
from shared.collectors.postgresql import PostgresqlDriver
from shared.transport.curl import CurlClient
from shared.transport.dialling import Dialler


def build_collectors(
    dialler: Dialler, curl: CurlClient, *, files: FileCollector, allows_local_sockets: bool = False
) -> Collectors:
    """The collectors of one process; `dialler` carries the egress policy for all that is dialled.

    `allows_local_sockets` is `TOCSIN_EGRESS_LOOPBACK`.
    """
    postgresql = PostgresqlDriver(dialler, allows_local_sockets=allows_local_sockets)
    return {"http": HttpCollector(curl), "database": DatabaseCollector({"postgresql": postgresql}), "file": files}
