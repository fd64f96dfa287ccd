"""A bench for tests of who is told."""

import pytest
from job_bench import Bench
from notice_bench import NoticeBench

from shared.transport.curl import CurlClient


@pytest.fixture
def notices(bench: Bench, client: CurlClient) -> NoticeBench:
    return NoticeBench(bench, client)


@pytest.fixture
def engine() -> str:
    """Both clients tell the same; one is enough here."""
    return "libcurl"
