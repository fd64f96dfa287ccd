"""A plain Prometheus with a plain Alertmanager, told at once and to the same receiver."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.harness import Servers, answers, free_port
from bench.processes import Measured, measured

PROMETHEUS, ALERTMANAGER = "prometheus", "prometheus-alertmanager"
PAIR = "Prometheus + Alertmanager"


@dataclass(frozen=True)
class Pair:
    """The two processes, and where Prometheus answers."""

    processes: Sequence[Measured]
    url: str


def is_pair_installed() -> bool:
    """Whether both programs are there (Debian's packages of these names)."""
    return shutil.which(PROMETHEUS) is not None and shutil.which(ALERTMANAGER) is not None


@contextmanager
def pair(
    servers: Servers, *, scrape: Mapping[str, Any], rule: Mapping[str, Any], hook: str, group_by: Sequence[str]
) -> Iterator[Pair]:
    """Run both with one rule; they scrape and judge each second, and tell without waiting for others."""
    config = {
        "route": {"receiver": "hook", "group_by": list(group_by), "group_wait": "0s", "group_interval": "1s"},
        "receivers": [{"name": "hook", "webhook_configs": [{"url": hook}]}],
    }
    directory, port = servers.directory / "alertmanager", free_port()
    directory.mkdir()
    # JSON is YAML.
    (directory / "config.yml").write_text(json.dumps(config))
    argv = [ALERTMANAGER, f"--config.file={directory}/config.yml", f"--storage.path={directory}/data"]
    argv += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=error"]
    url = f"http://127.0.0.1:{port}"
    with measured(ALERTMANAGER, argv, log_dir=servers.directory) as process:
        process.wait_until(lambda: answers(f"{url}/-/ready"))
        told = {"alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]}}
        with prometheus(servers.directory, {"scrape_configs": [scrape], **told}, rules=[rule]) as found:
            yield Pair([process, *found.processes], found.url)
    shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def prometheus(
    parent: Path, config: Mapping[str, Any], *, rules: Sequence[Mapping[str, Any]], data: Path | None = None
) -> Iterator[Pair]:
    """Run Prometheus alone, on data that is there already or without any."""
    directory, port = parent / "prometheus", free_port()
    directory.mkdir()
    (directory / "rules.yml").write_text(json.dumps({"groups": [{"name": "bench", "rules": rules}]}))
    each_second = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    whole = {"global": each_second, "rule_files": [f"{directory}/rules.yml"], **config}
    (directory / "config.yml").write_text(json.dumps(whole))
    argv = [PROMETHEUS, f"--config.file={directory}/config.yml", f"--storage.tsdb.path={data or directory / 'data'}"]
    argv += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    url = f"http://127.0.0.1:{port}"
    with measured(PROMETHEUS, argv, log_dir=parent) as process:
        process.wait_until(lambda: answers(f"{url}/-/ready"))
        yield Pair([process], url)
    shutil.rmtree(directory, ignore_errors=True)
