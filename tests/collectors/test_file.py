"""The file collector on real files, and on what only looks like one."""

import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.collectors.file import FileCollector
from shared.collectors.file_opening import FileFaultError, find_file, resolve_below
from shared.collectors.mount_threads import THREADS_PER_MOUNT, MountTable, MountThreads, MountUnresponsiveError
from shared.domain.target.file_marks import FileMark, MarksInMemory, MarksUnavailableError
from shared.domain.target.observation import Blame
from shared.domain.target.targets import FileTarget

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class NoMarks:
    """Marks whose keeper is away."""

    async def find(self, key: str) -> FileMark | None:
        raise MarksUnavailableError("Redis is away")

    async def keep(self, key: str, mark: FileMark) -> None:
        raise MarksUnavailableError("Redis is away")


@pytest.fixture
def collector(tmp_path: Path) -> FileCollector:
    return FileCollector([str(tmp_path)], MarksInMemory(), clock=lambda: NOW)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_text("first ERROR\nsecond\n")
    os.utime(path, (NOW.timestamp() - 90, NOW.timestamp() - 90))
    return path


def target(path: Path | str, **fields: Any) -> FileTarget:
    return FileTarget.model_validate({"kind": "file", "path": str(path), **fields})


def write(path: Path, text: str) -> None:
    path.write_text(text)


def forbid(path: Path) -> None:
    path.chmod(0o000)


def rotate(path: Path, text: str) -> None:
    path.rename(f"{path}.1")
    path.write_text(text)


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


async def test_size_and_age_are_read_without_opening_the_file(collector: FileCollector, log: Path) -> None:
    """Both are facts of the directory; a file that may not be read can still be watched."""
    forbid(log)
    seen = await collector.collect(target(log))
    assert seen.fault is None
    assert seen.values == {"EXISTS": True, "SIZE": 19, "AGE": 90.0, "GROWTH": 0}
    assert seen.metrics == {"size_bytes": 19.0, "age_seconds": 90.0, "growth_bytes": 0.0}


async def test_growth_is_told_from_the_second_look_on(collector: FileCollector, log: Path) -> None:
    """Growth is the difference of two looks, negative when the file shrank."""
    assert (await collector.collect(target(log))).values["GROWTH"] == 0
    append(log, "x" * 10)
    assert (await collector.collect(target(log))).values["GROWTH"] == 10
    write(log, "")
    assert (await collector.collect(target(log))).metrics["growth_bytes"] == -29


async def test_a_checksum_is_computed_when_asked_for(collector: FileCollector, log: Path) -> None:
    """SHA-256 in hexadecimal."""
    seen = await collector.collect(target(log, checksum=True))
    assert seen.values["CHECKSUM"] == hashlib.sha256(b"first ERROR\nsecond\n").hexdigest()


async def test_a_file_too_large_for_a_checksum_is_our_limit(
    collector: FileCollector, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Tocsin will not do is not the file's fault."""
    monkeypatch.setattr("shared.collectors.file_reading.MAX_CHECKSUM_BYTES", 5)
    seen = await collector.collect(target(log, checksum=True))
    assert seen.fault is not None
    assert (seen.fault.code, seen.fault.blame) == ("file_too_large", Blame.OURS)


async def test_only_new_matching_lines_count(collector: FileCollector, log: Path) -> None:
    """The first look starts at the end; each later one counts what came since, and whole lines only."""
    watched = target(log, pattern="ERROR|FATAL")
    assert (await collector.collect(watched)).values["MATCHES"] == 0
    append(log, "an ERROR\nfine\nFATAL")
    assert (await collector.collect(watched)).values["MATCHES"] == 1
    append(log, " at last\r\n")
    assert (await collector.collect(watched)).values["MATCHES"] == 1
    assert (await collector.collect(watched)).metrics["matches"] == 0.0


async def test_a_line_that_was_unfinished_at_the_first_look_counts(collector: FileCollector, log: Path) -> None:
    """Remembered is the end of the last whole line, not of the file."""
    append(log, "ERR")
    watched = target(log, pattern="ERROR")
    await collector.collect(watched)
    append(log, "OR\n")
    assert (await collector.collect(watched)).values["MATCHES"] == 1


async def test_a_renamed_file_is_read_to_its_end_before_the_new_one(collector: FileCollector, log: Path) -> None:
    """After logrotate's rename nothing is lost and nothing counts twice."""
    watched = target(log, pattern="ERROR")
    await collector.collect(watched)
    append(log, "ERROR in the old\n")
    rotate(log, "ERROR in the new\n")
    assert (await collector.collect(watched)).values["MATCHES"] == 2
    assert (await collector.collect(watched)).values["MATCHES"] == 0


@pytest.mark.parametrize("new", ["ERROR\n", "ERROR in a file that is longer than the old one was\n"])
async def test_a_truncated_file_is_read_from_its_start(collector: FileCollector, log: Path, new: str) -> None:
    """Copy-and-truncate keeps the inode; the beginning tells, even when the new file is longer already."""
    watched = target(log, pattern="ERROR")
    await collector.collect(watched)
    with log.open("r+") as file:
        file.truncate(0)
        file.write(new)
    assert (await collector.collect(watched)).values["MATCHES"] == 1


async def test_two_patterns_on_one_file_are_read_on_their_own(collector: FileCollector, log: Path) -> None:
    """One look does not use up the lines of the other."""
    errors, warnings = target(log, pattern="ERROR"), target(log, pattern="WARN")
    await collector.collect(errors)
    await collector.collect(warnings)
    append(log, "ERROR\nWARN\n")
    assert (await collector.collect(errors)).values["MATCHES"] == 1
    assert (await collector.collect(warnings)).values["MATCHES"] == 1


async def test_a_line_without_end_is_passed_over(
    collector: FileCollector, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read at once is bounded, and the next look gets further."""
    watched = target(log, pattern="ERROR")
    await collector.collect(watched)
    monkeypatch.setattr("shared.collectors.file_reading.CHUNK_BYTES", 8)
    monkeypatch.setattr("shared.collectors.file_reading.MAX_NEW_BYTES", 64)
    append(log, "x" * 100 + "\nERROR\n")
    counts = [(await collector.collect(watched)).values["MATCHES"] for _ in range(3)]
    assert counts == [0, 1, 0]


async def test_from_a_terminal_the_whole_file_counts(tmp_path: Path, log: Path) -> None:
    """A single look has no other that it could be new since."""
    collector = FileCollector([str(tmp_path)], MarksInMemory(), clock=lambda: NOW, counts_from_start=True)
    assert (await collector.collect(target(log, pattern="ERROR"))).values["MATCHES"] == 1


async def test_a_missing_file_is_told_as_such(collector: FileCollector, tmp_path: Path) -> None:
    """`EXISTS` is false, so that a condition may ask for just that; so is a path through what is no directory."""
    (tmp_path / "plain").write_text("")
    for path in (tmp_path / "missing", tmp_path / "none" / "missing", tmp_path / "plain" / "below"):
        seen = await collector.collect(target(path))
        assert seen.fault is not None
        assert (seen.fault.code, seen.fault.blame, seen.values) == ("missing", Blame.TARGET, {"EXISTS": False})


@pytest.fixture
def strangers(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """What is not a regular file: none of them may block or be read."""
    fifo, directory, unix = (tmp_path / name for name in ("fifo", "directory", "socket"))
    os.mkfifo(fifo)
    directory.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(unix))
        yield {"a FIFO": fifo, "a directory": directory, "a socket": unix}


@pytest.mark.parametrize("noun", ["a FIFO", "a directory", "a socket"])
async def test_what_is_no_regular_file_is_refused_without_waiting(
    collector: FileCollector, strangers: dict[str, Path], noun: str
) -> None:
    """Opening a FIFO would wait for a writer; it is not opened."""
    seen = await collector.collect(target(strangers[noun], pattern="x", checksum=True, timeout="2s"))
    assert seen.fault is not None
    assert seen.fault.code == "not_a_file"
    assert noun in seen.fault.message
    assert seen.duration_ms < 1000


async def test_a_device_is_refused() -> None:
    """Reading /dev/zero would never end."""
    seen = await FileCollector(["/dev"], MarksInMemory(), clock=lambda: NOW).collect(target("/dev/zero", checksum=True))
    assert seen.fault is not None
    assert seen.fault.message == "there is a device in place of the file"


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "{root}/../outside", "{root}/link", "{root}/linked/passwd", "{root}x/a"]
)
async def test_nothing_outside_of_the_roots_is_looked_at(collector: FileCollector, tmp_path: Path, path: str) -> None:
    """Neither a path nor a link leads out, and the refusal names the setting; it is our doing."""
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "linked").symlink_to("/etc")
    seen = await collector.collect(target(path.format(root=tmp_path)))
    assert seen.fault is not None
    assert (seen.fault.code, seen.fault.blame) == ("blocked_by_policy", Blame.OURS)
    assert "TOCSIN_FILE_ROOTS" in seen.fault.message
    assert "EXISTS" not in seen.values


async def test_a_missing_file_outside_is_refused_alike(collector: FileCollector) -> None:
    """Nobody learns what exists elsewhere."""
    seen = await collector.collect(target("/etc/this-does-not-exist"))
    assert seen.fault is not None
    assert seen.fault.code == "blocked_by_policy"


async def test_links_within_the_roots_are_followed(collector: FileCollector, tmp_path: Path, log: Path) -> None:
    """`current.log` is often a link."""
    (tmp_path / "current.log").symlink_to(log)
    assert (await collector.collect(target(tmp_path / "current.log"))).values["SIZE"] == 19


async def test_a_root_may_be_a_link_itself(tmp_path: Path, log: Path) -> None:
    """Both its names lead to the same files."""
    root = tmp_path / "root"
    root.symlink_to(tmp_path)
    collector = FileCollector([str(root)], MarksInMemory(), clock=lambda: NOW)
    for path in (root / "app.log", tmp_path / "app.log"):
        assert (await collector.collect(target(path))).values["EXISTS"] is True


def test_a_directory_swapped_for_a_link_after_the_check_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way is walked without following links, so a race cannot lead outside."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "passwd").write_text("ours")

    def swap(path: str, roots: list[str]) -> str:
        checked = resolve_below(path, roots)
        (inside / "passwd").unlink()
        inside.rmdir()
        inside.symlink_to("/etc")
        return checked

    monkeypatch.setattr("shared.collectors.file_opening.resolve_below", swap)
    assert find_file(str(inside / "passwd"), [str(tmp_path)]) is None


def test_a_file_swapped_for_another_is_not_read(tmp_path: Path, log: Path) -> None:
    """What is opened is compared with what was found."""
    other = tmp_path / "other"
    other.write_text("secret")
    found = find_file(str(log), [str(tmp_path)])
    assert found is not None
    other.rename(log)
    with found, pytest.raises(FileFaultError, match="replaced"), found.reading():
        pass


@pytest.mark.parametrize("path", ["relative.log", "/a\0b"])
async def test_a_path_that_is_none_is_refused(collector: FileCollector, path: str) -> None:
    """A path is absolute."""
    seen = await collector.collect(target(path))
    assert seen.fault is not None
    assert (seen.fault.code, seen.fault.blame) == ("invalid_path", Blame.OURS)


async def test_without_marks_only_what_needs_them_is_an_error(tmp_path: Path, log: Path) -> None:
    """Size and age are told; new lines cannot be, and that is our fault."""
    collector = FileCollector([str(tmp_path)], NoMarks(), clock=lambda: NOW)
    assert (await collector.collect(target(log))).values["SIZE"] == 19
    seen = await collector.collect(target(log, pattern="ERROR"))
    assert seen.fault is not None
    assert (seen.fault.code, seen.fault.blame) == ("marks_unavailable", Blame.OURS)


async def test_a_dead_mount_blocks_nobody_else(tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many looks hang on one mount, it holds a few threads, they end at their timeout, and others go on."""
    revived = threading.Event()
    hanging: list[str] = []

    def hang(path: str, roots: list[str]) -> None:
        if path.startswith("/dead"):
            hanging.append(path)
            revived.wait(30)
        return find_file(path, roots)  # type: ignore[return-value]

    monkeypatch.setattr("shared.collectors.file.find_file", hang)
    threads = MountThreads(lambda path: "/dead" if path.startswith("/dead") else "/")
    collector = FileCollector([str(tmp_path), "/dead"], MarksInMemory(), clock=lambda: NOW, threads=threads)
    try:
        for number in range(THREADS_PER_MOUNT + 2):
            seen = await collector.collect(target(f"/dead/{number}", timeout="20ms"))
            assert seen.fault is not None
            assert (seen.fault.code, seen.fault.blame) == ("mount_unresponsive", Blame.OURS)
            assert "/dead" in seen.fault.message
        assert len(hanging) == THREADS_PER_MOUNT
        assert (await collector.collect(target(log))).values["EXISTS"] is True
    finally:
        revived.set()
    assert (await collector.collect(target("/dead/again"))).values["EXISTS"] is False


async def test_an_error_in_a_thread_is_raised_where_it_is_waited_for() -> None:
    """A thread hides nothing."""

    def fail() -> None:
        raise LookupError("here")

    with pytest.raises(LookupError, match="here"):
        await MountThreads().run(fail, "/", timeout_seconds=5)


async def test_a_late_answer_is_dropped(tmp_path: Path) -> None:
    """Who waited was told; the thread's place is free again when it comes back."""
    threads, gate, done = MountThreads(lambda _: "/"), threading.Event(), threading.Event()

    def wait() -> None:
        gate.wait(30)
        done.set()

    with pytest.raises(MountUnresponsiveError):
        await threads.run(wait, "/", timeout_seconds=0.01)
    gate.set()
    assert done.wait(5)
    assert await threads.run(lambda: 7, "/", timeout_seconds=5) == 7


def test_a_path_belongs_to_its_deepest_mount() -> None:
    """By text alone, for a dead mount must not be touched."""
    table = MountTable()
    assert table.find("/proc/self/status") == "/proc"
    assert table.find("/procession") != "/proc"
