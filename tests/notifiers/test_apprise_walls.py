"""What a process may no longer do once its walls stand. They cannot be taken away, so it is one of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import json, os, socket, subprocess, sys, threading
from shared.domain.target.egress import EgressPolicy
from shared.notifiers.apprise_walls import Walls

directory = sys.argv[1]
open(f"{directory}/kept", "w").close()
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
inner = socket.socketpair()

def dial(family, kind, address):
    with socket.socket(family, kind) as one:
        one.settimeout(5)
        return one.sendto(b"x", address) if kind == socket.SOCK_DGRAM else one.connect(address)

tcp, udp = socket.SOCK_STREAM, socket.SOCK_DGRAM
TRIES = {
    "dial loopback": lambda: dial(socket.AF_INET, tcp, ("127.0.0.1", port)),
    "dial inside": lambda: dial(socket.AF_INET, tcp, ("10.0.0.1", 80)),
    "dial mapped": lambda: dial(socket.AF_INET6, tcp, ("::ffff:10.0.0.1", 80)),
    "dial a name": lambda: dial(socket.AF_INET, tcp, ("localhost", port)),
    "dial udp inside": lambda: dial(socket.AF_INET, udp, ("10.0.0.1", 514)),
    "dial a socket file": lambda: dial(socket.AF_UNIX, tcp, f"{directory}/no-socket"),
    "read a file": lambda: open(f"{directory}/kept").close(),
    "read by os": lambda: os.open(f"{directory}/kept", os.O_RDONLY),
    "read by a link": lambda: open(os.path.join(sys.prefix, "..", "..", directory.lstrip("/"), "kept")).close(),
    "read settings": lambda: open("/proc/self/environ").close(),
    "read a module": lambda: open(json.__file__).close(),
    "write a file": lambda: open(f"{directory}/new", "w").close(),
    "write beside modules": lambda: open(os.path.join(os.path.dirname(json.__file__), "new.py"), "w").close(),
    "remove a file": lambda: os.remove(f"{directory}/kept"),
    "make a directory": lambda: os.mkdir(f"{directory}/made"),
    "start a program": lambda: subprocess.run(["true"]),
    "start by a shell": lambda: os.system("true"),
    "fork": lambda: os.fork() or os._exit(0),
    "talk on": lambda: inner[0].sendall(b"x"),
}
Walls(EgressPolicy.parse("public", allow_loopback=True)).raise_up()
outcomes = {}

def attempt(name):
    try:
        TRIES[name]()
        outcomes[name] = "done"
    except PermissionError:
        outcomes[name] = "refused"

for name in TRIES:
    # Also in threads that a library starts.
    thread = threading.Thread(target=attempt, args=(name,))
    thread.start()
    thread.join()
print(json.dumps(outcomes), flush=True)
"""
ALLOWED = {"dial loopback", "read a module", "talk on"}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of each try."""
    directory = tmp_path_factory.mktemp("walls")
    command = [sys.executable, "-c", PROGRAM, str(directory)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=Path.cwd())
    assert run.returncode == 0, run.stderr
    told: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return told


def test_only_what_is_needed_to_tell_people_is_allowed(outcomes: dict[str, Any]) -> None:
    """Dials by the policy, modules, what is connected already; and everything was tried."""
    assert {name for name, outcome in outcomes.items() if outcome == "done"} == ALLOWED
    assert len(outcomes) == 19
