"""What the README shows works as it stands there."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
START_SECONDS = 60
BLOCK_SECONDS = 120


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def place(short_dir: Path) -> dict[str, str]:
    """Where this test's Tocsin lives: its own data and ports, and a folder for the README's files."""
    files = short_dir / "readme"
    files.mkdir()
    return {
        "data": str(short_dir / "readme-data"),
        "files": str(files),
        "api": str(free_port()),
        "receiver": str(free_port()),
        "told": str(free_port()),
    }


@pytest.fixture(scope="module")
def environment(place: dict[str, str]) -> dict[str, str]:
    """What a user's shell has, with the places moved to this test's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return kept | {
        "TOCSIN_DATA_DIR": place["data"],
        "TOCSIN_PORT": place["api"],
    }


@pytest.fixture(scope="module")
def running(environment: dict[str, str], place: dict[str, str]) -> Iterator[None]:
    """`tocsin up`, until it says that it is ready; Ctrl-C at the end."""
    command = [sys.executable, "-m", "cli.main", "up"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said: list[str] = []
        for line in process.stdout:
            said.append(line)
            if f"http://127.0.0.1:{place['api']}" in line:
                break
        else:
            pytest.fail("tocsin up ended before it was ready:\n" + "".join(said))
        yield
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.fixture(scope="module")
def transcript(running: None, environment: dict[str, str], place: dict[str, str]) -> str:
    """What the README's commands print, one shell for all of them, as a reader would have."""
    script = "\n".join(BLOCK.findall(Path("README.md").read_text()))
    script = (
        script.replace(":8000", f":{place['api']}").replace("8011", place["receiver"]).replace("8012", place["told"])
    )
    script = script.replace("/tmp/tocsin-demo", f"{place['files']}/tocsin-demo")
    script = script.replace(".venv/bin/tocsin", f"{sys.executable} -m cli.main")
    # curl calls it a failure that the watching ended when it was told to.
    script = re.sub(r"^(curl -sN .*)#.*$", r"\1 || test $? = 28", script, flags=re.MULTILINE)
    # A receiver is waited for until it listens, and ended by its id.
    script = script.replace(f"> {place['files']}/tocsin-demo.out &", _wait(f"{place['files']}/tocsin-demo.out", "SHOP"))
    script = script.replace(
        f"> {place['files']}/tocsin-demo.told &", _wait(f"{place['files']}/tocsin-demo.told", "TOLD")
    )
    stopped = f"kill $SHOP\nuntil grep firing {place['files']}/tocsin-demo.told; do sleep 0.1; done"
    script = f"set -eu\n{script}\necho\n{stopped}\nkill $TOLD\n"
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=BLOCK_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _wait(output: str, name: str) -> str:
    return f"> {output} &\n{name}=$!\nuntil grep -q Listening {output} 2>/dev/null; do sleep 0.05; done"


def objects(transcript: str) -> list[dict[str, Any]]:
    """The JSON objects that the answers are."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while (at := transcript.find("{", at)) >= 0:
        value, at = decoder.raw_decode(transcript, at)
        found.append(value)
    return found


def answer(transcript: str, name: str) -> dict[str, Any]:
    """The first of them that has a field of this name."""
    return next(value for value in objects(transcript) if name in value)


def test_the_monitor_is_up(transcript: str) -> None:
    """It has been looked at in its slots, and stands as it was found."""
    monitor = answer(transcript, "next_at")
    assert (monitor["name"], monitor["state"], monitor["code"]) == ("shop", "up", None)
    assert monitor["last"]["outcome"] == "up"


def test_the_events_tell_of_it(transcript: str) -> None:
    """Whoever watches is told of samples, and that the monitor is up."""
    assert {"ready", "sample", "state"} <= set(re.findall(r"^event: (\w+)$", transcript, re.MULTILINE))
    assert answer(transcript, "since")["state"] == "up"


def test_its_uptime_is_whole(transcript: str) -> None:
    """It was up for as long as anything is known of it."""
    windows = answer(transcript, "windows")["windows"]
    assert windows["24h"]["ratio"] == windows["30d"]["ratio"] == 1.0


def test_statistics_and_overview_show_it(transcript: str) -> None:
    """Its samples are summed up, and the overview counts the monitor as up."""
    statistics, overview = answer(transcript, "percentiles"), answer(transcript, "totals")
    assert statistics["count"] == statistics["outcomes"]["up"] >= 1
    assert overview["totals"]["up"] == overview["monitors"] == 1


def test_rules_are_read_and_nothing_fires(transcript: str) -> None:
    """One of a state, one over a window; the monitor is well."""
    down, slow = (value for value in objects(transcript) if "expression" in value)
    assert (down["expression"], slow["expression"]) == ("state == down", "p95(duration_ms, 5m) > 300")
    assert down["monitors"] == slow["monitors"] == 1
    assert {"items": [], "next_cursor": None} in objects(transcript)


def test_what_is_stopped_is_told_to_be_down(transcript: str) -> None:
    """The channel's receiver shows the alert."""
    assert re.search(r"^received \S+: firing critical down: shop$", transcript, re.MULTILINE)


def test_the_collect_job_finds_all_up(transcript: str) -> None:
    """A database and a file are collected and up."""
    job = answer(transcript, "done")
    assert (job["kind"], job["state"], job["done"]) == ("collect", "succeeded", True)
    assert job["result"] == {"up": 2, "degraded": 0, "down": 0, "error": 0}


def test_the_samples_show_what_was_measured(transcript: str) -> None:
    """Each target's sample has its outcome, duration and metrics."""
    (items,) = (value["items"] for value in objects(transcript) if value.get("items") and "totals" not in value)
    assert [item["outcome"] for item in items] == ["up", "up"]
    assert items[0]["metrics"]["value"] >= 1
    assert all(item["duration_ms"] >= 0 for item in items)


def test_the_notification_arrives(transcript: str) -> None:
    """The receiver verified the signature and shows the message."""
    (job,) = (value for value in objects(transcript) if value.get("kind") == "notify")
    assert job["state"] == "succeeded"
    assert "Disk almost full: /srv is at 97 %" in transcript
