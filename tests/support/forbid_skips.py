"""With TOCSIN_FORBID_SKIPS=1 a skipped test is a failure: where all is installed, nothing has a reason to skip."""

import os

import pytest


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    if skipped and os.environ.get("TOCSIN_FORBID_SKIPS") == "1":
        reporter.write_line(f"\n{len(skipped)} tests were skipped, and TOCSIN_FORBID_SKIPS=1 forbids that.", red=True)
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
