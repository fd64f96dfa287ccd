"""HTTP targets that are not the bottleneck: nginx on loopback addresses, or a small server where it is missing."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.harness import answers, free_port
from bench.processes import measured

HOSTS = tuple(f"127.0.0.{number}" for number in range(1, 11))
"""Ten addresses of this machine, so that a bound per host is met as by ten hosts."""

BODY = '{"status": "UP"}'

_NGINX = """
worker_processes 1;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        {listen}
        default_type application/json;
        location / {{ return 200 '{body}'; }}
    }}
}}
"""


@contextmanager
def http_targets(directory: Path) -> Iterator[tuple[str, int]]:
    """Serve the body at every path of every host; the program's name and its port."""
    port = free_port()
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        name, argv = "asyncio protocol", [sys.executable, "-m", "bench.peers.target", str(port)]
    else:
        listen = "\n        ".join(f"listen {host}:{port} backlog=1024;" for host in HOSTS)
        configuration = directory / "nginx.conf"
        configuration.write_text(_NGINX.format(directory=directory, listen=listen, body=BODY))
        name, argv = "nginx", [program, "-e", str(directory / "nginx.log"), "-c", str(configuration)]
    with measured("targets", argv, log_dir=directory) as process:
        process.wait_until(lambda: answers(f"http://{HOSTS[-1]}:{port}/"))
        yield name, port


def urls(port: int, count: int) -> list[str]:
    """As many different URLs, spread over the hosts."""
    return [f"http://{HOSTS[number % len(HOSTS)]}:{port}/health/{number}" for number in range(count)]
