"""Where a worker shows its metrics."""

import socket

import structlog

from worker.main import _show_metrics


def test_a_port_that_is_taken_is_told_of_and_stops_no_worker() -> None:
    """Several workers of a machine may have been given one port; the later ones work unseen, and say so."""
    with socket.create_server(("127.0.0.1", 0)) as taken, structlog.testing.capture_logs() as lines:
        port = taken.getsockname()[1]
        _show_metrics("127.0.0.1", port)
    assert [(line["event"], line["log_level"], line["port"]) for line in lines] == [
        ("metrics_port_taken", "warning", port)
    ]
