"""What a process may do that runs a library which dials by itself: dial what the egress policy allows, and little else.

Python tells its audit hooks (PEP 578) of every connection, file and process before it comes to be, whatever library
asks for it, and in all threads. A hook that raises prevents it; it cannot be taken away again.
"""

import os
import socket
import sys
import sysconfig
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.domain.target.egress import Denied, EgressPolicy, decide_egress

_DIALS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_PROCESSES = ("subprocess.", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.system", "os.startfile", "pty.")
_CHANGES = frozenset(
    {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.chmod", "os.chown"}
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_READABLE = (
    "/etc/hosts", "/etc/mime.types", "/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/ssl", "/etc/localtime",
    "/etc/timezone", "/usr/share/zoneinfo", "/usr/share/mime", "/usr/lib/ssl", "/dev/null", "/dev/urandom",
)  # fmt: skip


class Walls:
    """Stand from `raise_up` on until the process ends; `denied` has the last refused dial of each thread."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy
        installation = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()}
        self._readable = tuple(str(Path(path).resolve()) for path in (*installation, *_READABLE))
        self.denied: dict[int, str] = {}

    def raise_up(self) -> None:
        """From now on."""
        sys.addaudithook(self._judge)

    def _judge(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _DIALS:
            self._judge_dial(arguments[0], arguments[1])
        elif event == "open":
            self._judge_file(*arguments)
        elif event in _CHANGES or event.startswith(_PROCESSES):
            raise PermissionError(f"{event} is not for a library that tells people")

    def _judge_dial(self, connection: socket.socket, address: object) -> None:
        """Every address is one: names have been looked up before, and one that has not is refused."""
        if address is None:
            # It goes where the connection leads, which was judged when it was made.
            return
        is_internet = connection.family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple)
        if not is_internet or not isinstance(address, tuple):
            raise self._deny("sockets of this machine are not dialled")
        decision = decide_egress(self._policy, str(address[0]).partition("%")[0], int(address[1]))
        if isinstance(decision, Denied):
            raise self._deny(decision.sentence)

    def _deny(self, sentence: str) -> PermissionError:
        self.denied[threading.get_ident()] = sentence
        return PermissionError(sentence)

    def _judge_file(self, path: object, _mode: object, flags: int) -> None:
        """Only what the installation itself is made of is read, nothing is written."""
        if isinstance(path, int):
            return
        resolved = os.path.realpath(os.fsdecode(path) if isinstance(path, str | bytes) else str(path))
        is_known = any(resolved == place or resolved.startswith(f"{place}/") for place in self._readable)
        if not is_known or (flags & _WRITES and resolved != os.devnull):
            raise PermissionError("this file is not for a library that tells people")


def plain_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What of our environment such a process gets: neither our settings, nor a home, nor proxies."""
    kept = {"PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "LD_LIBRARY_PATH"}
    # glibc would set 64 MB of address space aside for each of many threads.
    own = {"HOME": "/nonexistent", "MALLOC_ARENA_MAX": "2"}
    return {name: value for name, value in environment.items() if name in kept} | own
