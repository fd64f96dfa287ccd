"""`tocsin listen`: a small receiver to try things against; it answers GET with `UP` and shows the webhooks it gets."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

MAX_BODY_BYTES = 1024 * 1024
READ_TIMEOUT_SECONDS = 10
MAX_ALERTS = 20
HEALTH = b'{"status": "UP"}\n'


class Receiver(ThreadingHTTPServer):
    """An HTTP server on loopback; with a `secret` it refuses what is not signed by it (Standard Webhooks)."""

    daemon_threads = True

    def __init__(self, port: int, *, secret: str | None) -> None:
        self.webhook = Webhook(secret) if secret else None
        super().__init__(("127.0.0.1", port), _Handler)

    def is_genuine(self, body: bytes, headers: dict[str, str]) -> bool:
        """Whether the signature is right, or none is asked for."""
        if self.webhook is None:
            return True
        try:
            self.webhook.verify(body, headers)
        except WebhookVerificationError:
            return False
        return True


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    timeout = READ_TIMEOUT_SECONDS

    def do_GET(self) -> None:
        """Say that all is well."""
        self._answer(200, HEALTH)

    def do_POST(self) -> None:
        """Show a webhook, or refuse it."""
        size = int(self.headers.get("Content-Length") or 0)
        if size > MAX_BODY_BYTES:
            self._answer(413)
            return
        body = self.rfile.read(size)
        if not self.server.is_genuine(body, dict(self.headers)):
            print("refused: the signature is not right", flush=True)
            self._answer(401)
            return
        print(f"received {self.headers.get('webhook-id', 'without an id')}: {_shown(body)}", flush=True)
        self._answer(204)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - the base class's names
        """Stay silent; what matters is printed."""

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        if body:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _shown(body: bytes) -> str:
    """The message, the alerts or the event of one of our webhooks, or the start of whatever it is."""
    try:
        told = json.loads(body)
        if "alerts" in told:
            return "; ".join(_alert(alert) for alert in told["alerts"][:MAX_ALERTS])
        data = told["data"]
        return f"{data['title']}: {data['text']}" if "title" in data else f"{told['type']} {data['id']}"
    except (ValueError, KeyError, TypeError):
        return repr(body[:200])


def _alert(alert: dict[str, Any]) -> str:
    """An alert of a notice: `firing critical down: shop`."""
    labels = alert["labels"]
    said = [alert["status"], labels.get("severity", ""), labels.get("alertname", "")]
    where = f": {labels['monitor']}" if "monitor" in labels else ""
    return " ".join(word for word in said if word) + where


def listen(port: int, *, secret: str | None) -> None:
    """Receive until Ctrl-C."""
    with Receiver(port, secret=secret) as receiver:
        print(f"Listening on http://127.0.0.1:{receiver.server_port} (Ctrl-C ends it)", flush=True)
        try:
            receiver.serve_forever()
        except KeyboardInterrupt:
            print()
