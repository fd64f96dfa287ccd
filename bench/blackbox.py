"""Debian's blackbox_exporter, judging the same as our targets' conditions do."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from bench.harness import Servers, answers, free_port
from bench.processes import measured
from bench.programs import HttpProgram

PACKAGE = "prometheus-blackbox-exporter"
MODULE = "up"
_CONFIGURATION = """
modules:
  up:
    prober: http
    timeout: 10s
    http:
      valid_status_codes: [200]
      fail_if_body_not_matches_regexp: ['"UP"']
      preferred_ip_protocol: ip4
"""


@contextmanager
def blackbox(servers: Servers) -> Iterator[HttpProgram | None]:
    """Run it; None where it is not installed."""
    program = shutil.which(PACKAGE) or shutil.which("blackbox_exporter")
    if program is None:
        yield None
        return
    directory, port = servers.directory, free_port()
    (directory / "blackbox.yml").write_text(_CONFIGURATION)
    argv = [program, f"--config.file={directory}/blackbox.yml", f"--web.listen-address=127.0.0.1:{port}"]
    with measured("blackbox", [*argv, "--log.level=error"], log_dir=directory) as process:
        process.wait_until(lambda: answers(f"http://127.0.0.1:{port}/-/healthy"))
        yield HttpProgram(PACKAGE, process, f"http://127.0.0.1:{port}")
