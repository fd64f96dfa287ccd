"""Reading ping URLs."""

import pytest

from api.ping_urls import masked_path, read_push_url


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/ping/5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278/start", "/ping/***"),
        ("/ping/abcdefghijklmnopqrstuv/backup", "/ping/***"),
        ("/api/push/token", "/api/push/***"),
        ("/api/v1/jobs", "/api/v1/jobs"),
    ],
)
def test_a_path_is_told_without_what_opens_it(path: str, shown: str) -> None:
    """Logs and traces are read by more people than may ping."""
    assert masked_path(path) == shown


@pytest.mark.parametrize(
    ("given", "told"), [(b"ping=3", 3.0), (b"ping=", None), (b"ping=-1", None), (b"ping=nan", None), (b"", None)]
)
def test_a_duration_that_is_none_is_left_out(given: bytes, told: float | None) -> None:
    """Uptime Kuma's clients send an empty `ping`."""
    url = read_push_url("/api/push/token", given)
    assert url is not None
    assert url.told_ms == told
