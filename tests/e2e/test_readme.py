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

import pytest

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
START_SECONDS = 60
BLOCK_SECONDS = 60


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
    script = script.replace(":8000", f":{place['api']}").replace("8011", place["receiver"])
    script = script.replace("/tmp/tocsin-demo", f"{place['files']}/tocsin-demo")
    script = script.replace(".venv/bin/tocsin", f"{sys.executable} -m cli.main")
    # The receiver is waited for until it listens, and ended by its id when all is done.
    script = f"set -eu\n{script}\necho; kill $!\n".replace("> " + place["files"] + "/tocsin-demo.out &", _wait(place))
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=BLOCK_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _wait(place: dict[str, str]) -> str:
    output = f"{place['files']}/tocsin-demo.out"
    return f"> {output} &\nuntil grep -q Listening {output} 2>/dev/null; do sleep 0.05; done"


def objects(transcript: str) -> list[dict[str, object]]:
    """The JSON objects that the answers are."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while (at := transcript.find("{", at)) >= 0:
        value, at = decoder.raw_decode(transcript, at)
        found.append(value)
    return found


def test_the_collect_job_finds_all_up(transcript: str) -> None:
    """An HTTP target, a database and a file are collected and up."""
    job = objects(transcript)[0]
    assert (job["state"], job["done"]) == ("succeeded", True)
    assert job["result"] == {"up": 3, "degraded": 0, "down": 0, "error": 0}


def test_the_samples_show_what_was_measured(transcript: str) -> None:
    """Each target's sample has its outcome, duration and metrics."""
    samples = objects(transcript)[1]
    assert samples["next_cursor"] is None
    items = samples["items"]
    assert isinstance(items, list)
    assert [item["outcome"] for item in items] == ["up", "up", "up"]
    assert items[0]["metrics"]["status"] == 200
    assert all(item["duration_ms"] >= 0 for item in items)


def test_the_statistics_sum_it_up(transcript: str) -> None:
    """The label finds the HTTP target's sample, and the aggregate is made of it."""
    (item,) = objects(transcript)[2]["items"]  # type: ignore[misc]
    assert (item["kind"], item["count"], item["outcomes"]["up"]) == ("http", 1, 1)
    assert item["min"] == item["max"] == item["latest"] == item["p50"]


def test_the_notification_arrives(transcript: str) -> None:
    """The receiver verified the signature and shows the message."""
    assert objects(transcript)[3]["state"] == "succeeded"
    assert "Disk almost full: /srv is at 97 %" in transcript
