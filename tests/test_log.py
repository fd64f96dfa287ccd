"""The process's log as whoever gathers it reads it."""

import json
import subprocess
import sys

SPEAKING = """
import logging
import structlog
from shared.log import configure_logging

configure_logging("info", "json")
log = structlog.get_logger()
with structlog.contextvars.bound_contextvars(job_id="the-job", trace_id="the-trace"):
    log.info("attempt_ended", outcome="succeeded")
    logging.getLogger("asyncio").warning("two\\nlines of %s", "text")
    try:
        secret = "hunter2"
        raise ValueError("broken")
    except ValueError:
        log.exception("work_raised")
        logging.getLogger("a.library").exception("it raised")
logging.getLogger("a.library").info("not worth a line")
"""


def test_every_line_is_json_whoever_speaks() -> None:
    """Our own and the libraries': event, level, time and the ids at hand, tracebacks without values."""
    run = subprocess.run([sys.executable, "-c", SPEAKING], capture_output=True, text=True, timeout=60, check=True)
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    assert [(line["event"], line["level"], line["job_id"], line["trace_id"]) for line in lines] == [
        ("attempt_ended", "info", "the-job", "the-trace"),
        ("two\nlines of text", "warning", "the-job", "the-trace"),
        ("work_raised", "error", "the-job", "the-trace"),
        ("it raised", "error", "the-job", "the-trace"),
    ]
    assert all("timestamp" in line for line in lines)
    assert [line.get("logger") for line in lines] == [None, "asyncio", None, "a.library"]
    assert [line["exception"][0]["exc_type"] for line in lines[2:]] == ["ValueError", "ValueError"]
    assert "hunter2" not in run.stderr
