"""`tocsin check` as a person calls it."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from cli.check import check
from cli.embedded import ServerUrls

app = typer.Typer()
app.command()(check)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


class Answers(BaseHTTPRequestHandler):
    """`/<status>` answers with that status; the body tells the request's X-Test header."""

    def do_GET(self) -> None:
        body = json.dumps({"status": "UP", "sent": self.headers.get("X-Test")}).encode()
        self.send_response(int(self.path.partition("?")[0].strip("/")))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep the tests' output clean."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(5)


def test_a_target_that_is_up_ends_with_0_and_shows_its_phases(web: str) -> None:
    """Outcome, phases, conditions with the values they were held against."""
    result = run(f"{web}/200", "-c", "[STATUS] == 200", "--condition", "[BODY].status == UP")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"up  {web}/200")
    for part in ("connect", "first byte", " ms", "█", "✓ [STATUS] (200) == 200", "✓ [BODY].status (UP) == UP"):
        assert part in result.output


def test_a_failed_condition_ends_with_1(web: str) -> None:
    """What did not hold is marked; what is implied too."""
    result = run(f"{web}/503?token=hunter2")
    assert result.exit_code == 1
    assert result.output.startswith(f"down  {web}/503?token=***")
    assert "✗ [STATUS] (503) < 400" in result.output
    assert "hunter2" not in result.output


def test_degraded_ends_with_1_as_well(web: str) -> None:
    """A script that asks whether all is well hears that it is not."""
    result = run(f"{web}/200", "--degraded", "[RESPONSE_TIME] < 0")
    assert (result.exit_code, result.output.partition(" ")[0]) == (1, "degraded")


def test_a_closed_port_is_down_with_its_reason(unused_port: int) -> None:
    """The code and the sentence of the fault are shown."""
    result = run(f"http://127.0.0.1:{unused_port}/")
    assert result.exit_code == 1
    assert "connection_refused: " in result.output


@pytest.fixture
def unused_port() -> int:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        return server.server_port


def test_what_could_not_be_tried_ends_with_3() -> None:
    """A policy's refusal says nothing of the target."""
    result = run("http://169.254.169.254/")
    assert result.exit_code == 3
    assert result.output.startswith("error  http://169.254.169.254/")
    assert "blocked_by_policy: " in result.output


def test_headers_are_sent(web: str) -> None:
    """A name may be a secret's too; values are not shown."""
    assert run(f"{web}/200", "--header", "X-Test: it: works", "-c", "[BODY].sent == it: works").exit_code == 0


def test_json_is_one_object_in_the_shape_of_a_sample(web: str) -> None:
    """For programs: the API's words, and each condition."""
    shown = json.loads(run(f"{web}/200", "--json", "-c", "[STATUS] == 201").output)
    assert (shown["target"], shown["kind"], shown["outcome"]) == (f"{web}/200", "http", "down")
    assert shown["code"] == "condition_failed"
    assert shown["conditions"] == [{"holds": False, "shown": "[STATUS] (200) == 201"}]
    assert shown["metrics"]["status"] == 200
    assert shown["duration_ms"] > 0
    assert shown["collected_at"].endswith("Z")


def test_a_file_is_checked_wherever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the user's own terminal; relative paths are read as everywhere."""
    (tmp_path / "app.log").write_text("one ERROR\nERROR two\n")
    monkeypatch.chdir(tmp_path)
    result = run("./app.log", "--pattern", "ERROR", "-c", "[SIZE] < 5MB", "-c", "[MATCHES] == 2")
    assert result.exit_code == 0, result.output
    assert f"up  {tmp_path}/app.log" in result.output.replace("\n", "")
    assert run(str(tmp_path / "missing")).exit_code == 1


def test_a_database_is_checked_over_its_socket(servers: ServerUrls) -> None:
    """Connecting and the query are its phases."""
    result = run(servers.database_url, "--query", "select 41 + 1", "-c", "[VALUE] == 42")
    assert result.exit_code == 0, result.output
    assert "query" in result.output
    assert "✓ [VALUE] (42) == 42" in result.output


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["shop.example"], "write http://shop.example, postgresql://… or a path such as ./shop.example"),
        (
            ["http://a.example/", "-c", "[STATUS] = 200"],
            "[STATUS] = 200\n         ^\none of == != <= >= < > is missing",
        ),
        (["http://a.example/", "--query", "select 1"], "--query does not go with this kind of target"),
        (["http://a.example/", "--timeout", "soon"], 'timeout: "soon" is no duration'),
        (["http://a.example/", "--header", "nonsense"], "'Name: value'"),
        (["mysql://u:hunter2@a.example/d"], "dsn: the DSN's scheme is not known; known are postgresql"),
        (["/a", "--pattern", "("], "pattern: not a pattern that can be matched: unclosed group"),
        ([], "Missing argument"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_to_write(words: list[str], part: str) -> None:
    """A condition's place is drawn below it; nothing secret is repeated."""
    result = run(*words)
    assert result.exit_code == 2
    assert part in result.output
    assert "hunter2" not in result.output


def test_the_command_loads_no_engine_until_it_runs() -> None:
    """Other commands start without libcurl, asyncpg and pydantic."""
    program = "import sys, cli.check; print(sorted({'pycurl', 'asyncpg', 'sqlalchemy', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"
