"""`tocsin apply`, `diff` and `export`, against a running API."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from api_process import api_process
from typer.testing import CliRunner, Result

from cli.main import app

ADMIN_KEY = "a-key-of-the-tests"
FILE = """
defaults: {interval: 30s, labels: {team: web}}
monitors:
  - name: shop
    group: web
    target: {kind: http, url: "${SHOP:-http://shop.example}/"}
    conditions: ["[STATUS] == 200"]
  - name: log
    target: {kind: file, path: /var/log/syslog}
"""
Run = Callable[..., Result]


@pytest.fixture
def run(fresh_database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs the command against an API process on a database of the test's own."""
    settings = {"database_url": fresh_database_url, "redis_url": redis_url, "admin_key": ADMIN_KEY}
    with api_process(**settings) as process:
        monkeypatch.setenv("TOCSIN_URL", process.wait_until_listening().url)
        monkeypatch.setenv("TOCSIN_API_KEY", ADMIN_KEY)
        yield lambda *arguments, **sent: CliRunner().invoke(app, list(arguments), catch_exceptions=False, **sent)


def test_files_are_compared_applied_and_exported(run: Run, tmp_path: Path) -> None:
    """The exit code of `diff` tells whether anything would change; what is exported is what there is."""
    file = tmp_path / "monitors.yaml"
    file.write_text(FILE)
    shown = run("diff", "-f", str(file))
    assert (shown.exit_code, "+ web/shop" in shown.stdout, "2 to create, 0 unchanged" in shown.stdout) == (
        1,
        True,
        True,
    )
    applied = run("apply", "-f", str(tmp_path), "--yes")
    assert (applied.exit_code, applied.stdout.splitlines()[-1]) == (0, "Applied.")
    assert run("diff", "-f", str(file)).exit_code == 0
    exported = run("export", "--label", "team:web").stdout
    assert [each["name"] for each in yaml.safe_load(exported)["monitors"]] == ["log", "shop"]
    assert [sorted(each["target"]) for each in yaml.safe_load(exported)["monitors"]] == [
        ["kind", "path"],
        ["conditions", "kind", "url"],
    ]
    assert run("diff", "-f", "-", input=exported).exit_code == 0
    by_hand = run("diff", "-f", str(file), "--owner", "others")
    assert (by_hand.exit_code, by_hand.stdout.splitlines()[-1]) == (1, "2 in conflict, 0 unchanged")
    file.write_text(FILE.replace("30s", "45s"))
    changed = run("diff", "-f", str(file))
    assert '    interval: "30s" → "45s"' in changed.stdout.splitlines()


def test_nothing_is_applied_unasked(run: Run, tmp_path: Path) -> None:
    """Without a terminal there is nobody to ask."""
    file = tmp_path / "monitors.yaml"
    file.write_text(FILE)
    refused = run("apply", "-f", str(file))
    assert (refused.exit_code, "--yes" in refused.stderr) == (2, True)
    assert run("export").stdout == "monitors: []\n"


def test_what_only_the_server_finds_wrong_is_told_with_its_place(run: Run, tmp_path: Path) -> None:
    """A masked secret of a monitor that is not there stands for nothing."""
    file = tmp_path / "monitors.yaml"
    file.write_text(FILE.replace('shop.example}/"', 'shop.example}/?token=***"'))
    refused = run("apply", "-f", str(file), "--yes")
    assert (refused.exit_code, refused.stderr.partition(": ***")[0]) == (2, f"{file}:4:5: target.url")
    assert run("export").stdout == "monitors: []\n"


def test_mistakes_are_told_with_their_places_and_nothing_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also without any API."""
    monkeypatch.setenv("TOCSIN_URL", "http://127.0.0.1:9")
    file = tmp_path / "monitors.yaml"
    file.write_text(FILE.replace("== 200", "= 200").replace("path:", "pth:"))
    refused = CliRunner().invoke(app, ["apply", "-f", str(file), "--yes"])
    assert refused.exit_code == 2
    assert [line.partition(": ")[0] for line in refused.stderr.splitlines()] == [
        f"{file}:7:18",
        f"{file}:9:13",
        f"{file}:9:31",
    ]
    file.write_text(FILE)
    assert "does not answer" in CliRunner().invoke(app, ["diff", "-f", str(file)]).stderr


def test_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    """Whoever mends one does not learn of the next by another try."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(FILE.replace("== 200", "= 200"))
    refused = CliRunner().invoke(app, ["apply", "-f", str(tmp_path), "--yes"])
    assert [line.partition(":")[0] for line in refused.stderr.splitlines()] == [
        str(tmp_path / "a.yaml"),
        str(tmp_path / "b.yaml"),
    ]


@pytest.mark.parametrize("content", [b"\xff", None])
def test_what_cannot_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    """With the file's name."""
    file = tmp_path / "monitors.yaml"
    if content is not None:
        file.write_bytes(content)
    refused = CliRunner().invoke(app, ["diff", "-f", str(file)])
    assert (refused.exit_code, refused.stderr.startswith(f"{file}: ")) == (2, True)
