"""What schemathesis cannot know of our formats; it loads this file by SCHEMATHESIS_HOOKS."""

import itertools

import schemathesis
from hypothesis import strategies as st

TEXTS = {
    "http-condition": ["[STATUS] == 200", "[BODY].status == UP", "len([BODY].items) > 3"],
    "database-condition": ["[CONNECTED] == true", "[RESPONSE_TIME] < 300"],
    "file-condition": ["[SIZE] < 5MB", "[AGE] < 10m", "[EXISTS] == true"],
    "dsn": ["postgresql://reader:secret@db.example/shop", "postgresql:///shop?host=/run/postgresql"],
    "line-pattern": ["ERROR|FATAL", "^[0-9]+ "],
    # Long and short enough for whatever is bounded: a timeout, a delay, a bucket.
    "webhook-secret": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    "apprise-url": ["json://hooks.example/tocsin", "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"],
    "rule-expression": ["state == down", "p95(duration_ms, 5m) > 300 recover 250", "absent(3 intervals)"],
    "cron": ["*/5 * * * *", "0 8-18 * * 1-5"],
    "matchers": ["team=web", 'group="web", host=~"db.*"', "severity!=info"],
    "timezone": ["UTC", "Europe/Berlin"],
    "go-duration": ["1s", "5s", "1m30s"],
}
for name, texts in TEXTS.items():
    schemathesis.openapi.format(name, st.sampled_from(texts))

# A key stands for one body, so that none may come twice.
numbers = itertools.count()
schemathesis.openapi.format("idempotency-key", st.builds(lambda: f"key-{next(numbers)}"))


@schemathesis.hook
def before_call(_: object, case: schemathesis.Case, **__: object) -> None:
    """Close only the queue that nothing is submitted to: the submissions that follow would all be refused."""
    if case.method != "GET" and case.path_parameters.get("queue") in {"collect", "notify"}:
        case.path_parameters["queue"] = "requeue"
