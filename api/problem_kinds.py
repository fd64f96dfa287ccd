"""The kinds of problem this API answers with: each has a name, a status, a title and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One `type` of RFC 9457; `title` is the same each time, `remedy` is what its page says to do."""

    name: str
    status: int
    title: str
    remedy: str

    @property
    def type(self) -> str:
        """The URI that names the kind, relative to this server, where its page is."""
        return f"/problems/{self.name}"


MALFORMED_REQUEST = ProblemKind(
    "malformed-request",
    400,
    "The request cannot be read",
    "Send one JSON value in UTF-8 as the body and write the headers as the detail says.",
)
INVALID_CURSOR = ProblemKind(
    "invalid-cursor",
    400,
    "The cursor does not belong to this query",
    "A cursor goes with the filters it was made for, unchanged. Start again without one.",
)
UNAUTHORIZED = ProblemKind(
    "unauthorized",
    401,
    "A valid API key is needed",
    "Send `Authorization: Bearer tocsin_…` or `X-API-Key: tocsin_…`. `tocsin keys create` makes a key.",
)
FORBIDDEN = ProblemKind(
    "forbidden",
    403,
    "The API key does not carry the right for this",
    "Use a key of the scope that the detail names; `read` is part of `submit`, which is part of `admin`.",
)
CROSS_ORIGIN = ProblemKind(
    "cross-origin",
    403,
    "A page of another origin may not do this",
    "Without an API key only programs and pages of this server may change anything. Use a key.",
)
NOT_FOUND = ProblemKind(
    "not-found",
    404,
    "There is no such thing",
    "Check the path and the id. Jobs are removed when their retention is over.",
)
METHOD_NOT_ALLOWED = ProblemKind(
    "method-not-allowed",
    405,
    "The path does not know this method",
    "The header `Allow` lists the methods that it knows.",
)
JOB_ALREADY_DONE = ProblemKind(
    "job-already-done",
    409,
    "The job has ended",
    "Nothing is left to do: the job's `state` says how it ended.",
)
UNIQUE_KEY_TAKEN = ProblemKind(
    "unique-key-taken",
    409,
    "Another job holds the unique key",
    "Wait for the end of the `job` named, cancel it, or send `on_conflict: return` to be answered with it.",
)
JOB_EXPIRED = ProblemKind(
    "job-expired",
    410,
    "The job is older than jobs are kept",
    "If there was such a job, it has been removed since. `TOCSIN_JOB_DAYS` says how long jobs are kept.",
)
JOB_NOT_DONE = ProblemKind(
    "job-not-done",
    409,
    "The job has not ended",
    "Wait for its end, or cancel it; then it can be requeued.",
)
JOB_ALREADY_REQUEUED = ProblemKind(
    "job-already-requeued",
    409,
    "The job was requeued already",
    "Follow the `job` named: it runs this one anew, and can be requeued itself when it has ended.",
)
JOB_IS_ROUND = ProblemKind(
    "job-is-round",
    409,
    "A round is not run anew",
    "Its slots are over. Collect a monitor at once by `POST /api/v1/monitors/{id}:run`.",
)
MONITOR_EXISTS = ProblemKind(
    "monitor-exists",
    409,
    "There is a monitor of this name in this group",
    "Change the `monitor` named by `PATCH`, take another name, or send it by `PUT /api/v1/monitors`, which makes or "
    "changes it.",
)
PLAN_OUTDATED = ProblemKind(
    "plan-outdated",
    409,
    "The plan is no longer what would be done",
    "Plan again by `POST /api/v1/monitors:plan`, look at what has changed, and apply with the new digest.",
)
PLAN_CONFLICT = ProblemKind(
    "plan-conflict",
    409,
    "The plan names monitors that belong to others, or would change their kind",
    "See `changes`. Take them over by `adopt`, or give yours other names.",
)
TOO_MANY_MONITORS = ProblemKind(
    "too-many-monitors",
    409,
    "There are as many monitors as there may be",
    "Delete some. `POST /api/v1/monitors:delete` deletes all that have a label.",
)
NOT_COLLECTED = ProblemKind(
    "not-collected",
    409,
    "Nobody looks at a heartbeat",
    "A heartbeat tells us itself that it lives: ping it instead.",
)
SECRET_IN_USE = ProblemKind(
    "secret-in-use",
    409,
    "Monitors name the secret",
    "Change or delete the `monitors` listed first. With `?force=true` it is deleted all the same, and they end as "
    "`error` with the code `secret_missing` until there is a secret of the name again.",
)
CHANNEL_EXISTS = ProblemKind(
    "channel-exists",
    409,
    "There is a channel of this name",
    "Change the `channel` named by `PATCH`, take another name, or send it by `PUT /api/v1/channels`, which makes or "
    "changes it.",
)
CHANNEL_IN_USE = ProblemKind(
    "channel-in-use",
    409,
    "Rules name the channel",
    "Take it out of the `channels` and the `escalation` of the `rules` named, then rename or delete it. `:disable` "
    "stops it at once.",
)
TOO_MANY_HELD = ProblemKind(
    "too-many-held",
    409,
    "There are as many as may be",
    "The detail says of what, and how many may be. End or delete some that are no longer needed.",
)
HAS_ENDED = ProblemKind(
    "has-ended",
    409,
    "It has ended",
    "What has ended stays as it was, so that it can be seen why nobody was told. Make a new one.",
)
INHIBITION_EXISTS = ProblemKind(
    "inhibition-exists",
    409,
    "There is an inhibition of this name",
    "Replace it by `PUT /api/v1/inhibitions/{id}`, or take another name.",
)
TOO_MANY_INBOUND = ProblemKind(
    "too-many-inbound-alerts",
    409,
    "As many alerts from elsewhere fire as may",
    "See `GET /api/v1/alerts?state=firing`: a label that changes with each alert, such as a time, makes each one new.",
)
TOO_MANY_CHANNELS = ProblemKind(
    "too-many-channels",
    409,
    "There are as many channels as may be",
    "Delete channels that nobody is told by any more.",
)
RULE_EXISTS = ProblemKind(
    "rule-exists",
    409,
    "There is a rule of this name",
    "Change the `rule` named by `PATCH`, take another name, or send it by `PUT /api/v1/rules`, which makes or changes "
    "it.",
)
TOO_MANY_RULES = ProblemKind(
    "too-many-rules",
    409,
    "There are as many rules as there may be",
    "Delete some. One rule judges all monitors that its `selector` finds, so that few are needed.",
)
NOT_REDELIVERABLE = ProblemKind(
    "not-redeliverable",
    409,
    "The notice cannot be told anew now",
    "See `reason`: wait for the end of the notice that is on its way, or enable the channel. What was delivered is not "
    "told twice.",
)
NO_SECRET_KEY = ProblemKind(
    "no-secret-key",
    409,
    "A secret cannot be kept, or not be read",
    "Set `TOCSIN_SECRET_KEYS` for the API and all workers; `tocsin secrets new-key` makes a key.",
)
ALERT_RESOLVED = ProblemKind(
    "alert-resolved",
    409,
    "The alert has been resolved",
    "There is nothing left to acknowledge: nobody is reminded of it any more. If it fires again, that is another one.",
)
PRECONDITION_FAILED = ProblemKind(
    "precondition-failed",
    412,
    "It has changed meanwhile",
    "Get it again, look at what has changed, and send the request with its new `ETag`.",
)
PRECONDITION_REQUIRED = ProblemKind(
    "precondition-required",
    428,
    "The request has to say which version it changes",
    "Get it first, and send its `ETag` as `If-Match`, so that nobody's change is lost; `If-Match: *` changes any.",
)
BODY_TOO_LARGE = ProblemKind(
    "body-too-large",
    413,
    "The body is too large",
    "Split it: a job carries up to 1,000 targets and a batch up to 1,000 jobs. The limit is `TOCSIN_MAX_BODY_BYTES`.",
)
UNSUPPORTED_MEDIA_TYPE = ProblemKind(
    "unsupported-media-type",
    415,
    "The body is not declared as JSON",
    "Send `Content-Type: application/json`, uncompressed.",
)
MISDIRECTED_REQUEST = ProblemKind(
    "misdirected-request",
    421,
    "The host name is not this machine's",
    "Without an API key the server answers to `localhost`, `127.0.0.1` and `[::1]` only, so that a foreign page cannot "
    "reach it under a name of its own. Use one of them, or a key.",
)
INVALID_INPUT = ProblemKind(
    "invalid-input",
    422,
    "The input is not valid",
    "`errors` lists what is wrong: each `pointer` leads to the place in the body (RFC 6901), each `parameter` names a "
    "query parameter.",
)
TOO_MUCH_HISTORY = ProblemKind(
    "too-much-history",
    422,
    "There is more history than one test may read",
    "`of` says what there is too much of. Test a shorter time, or fewer monitors by a narrower `selector`.",
)
KEY_REUSED = ProblemKind(
    "idempotency-key-reused",
    422,
    "The idempotency key stands for another request",
    "A key belongs to one request for 24 hours. Make a new key for a new request; send the same body to repeat one.",
)
PROFILE_RUNNING = ProblemKind(
    "profile-running",
    409,
    "A profile is being taken already",
    "A process takes one profile at a time. Ask again when it has ended, after 30 seconds at most.",
)
INTERNAL_ERROR = ProblemKind(
    "internal-error",
    500,
    "Something went wrong on our side",
    "The server's log tells more under the request's id. Whether the request took effect is not known.",
)
OVERLOADED = ProblemKind(
    "overloaded",
    503,
    "Too much waits already",
    "Nothing was taken. Try again after the seconds that `Retry-After` names.",
)
QUEUE_FULL = ProblemKind(
    "queue-full",
    503,
    "The queue holds as many jobs as it may",
    "Nothing was taken. Try again after the seconds that `Retry-After` names: it follows from how fast jobs end. "
    "`GET /api/v1/queues/{queue}/scaling` says whether more workers would help; admins set the limit by "
    "`PUT /api/v1/queues/{queue}`.",
)
QUEUE_DRAINING = ProblemKind(
    "queue-draining",
    503,
    "The queue is being drained",
    "Nothing was taken. What is in the queue is worked off; it takes jobs again when an admin resumes it.",
)
TOO_MANY_STREAMS = ProblemKind(
    "too-many-streams",
    503,
    "As many clients watch as may",
    "Come back after the seconds that `Retry-After` names, or watch by fewer streams: one can carry all there is.",
)
LIVE_UNAVAILABLE = ProblemKind(
    "live-unavailable",
    503,
    "Live events cannot be told now",
    "The server does not reach Redis. Come back after the seconds that `Retry-After` names; all else is answered.",
)
STORAGE_UNAVAILABLE = ProblemKind(
    "storage-unavailable",
    503,
    "The database does not answer",
    "Try again after the seconds that `Retry-After` names, a submission with the same idempotency key.",
)
QUERY_TOO_SLOW = ProblemKind(
    "query-too-slow",
    503,
    "The question takes too long to answer",
    "Ask for a shorter window, larger buckets or fewer targets.",
)

KINDS: Mapping[str, ProblemKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            MALFORMED_REQUEST,
            INVALID_CURSOR,
            UNAUTHORIZED,
            FORBIDDEN,
            CROSS_ORIGIN,
            NOT_FOUND,
            METHOD_NOT_ALLOWED,
            JOB_ALREADY_DONE,
            JOB_NOT_DONE,
            JOB_ALREADY_REQUEUED,
            JOB_IS_ROUND,
            UNIQUE_KEY_TAKEN,
            JOB_EXPIRED,
            MONITOR_EXISTS,
            PLAN_OUTDATED,
            PLAN_CONFLICT,
            TOO_MANY_MONITORS,
            NOT_COLLECTED,
            CHANNEL_EXISTS,
            CHANNEL_IN_USE,
            TOO_MANY_CHANNELS,
            TOO_MANY_INBOUND,
            TOO_MANY_HELD,
            HAS_ENDED,
            INHIBITION_EXISTS,
            ALERT_RESOLVED,
            RULE_EXISTS,
            TOO_MANY_RULES,
            NOT_REDELIVERABLE,
            NO_SECRET_KEY,
            SECRET_IN_USE,
            PRECONDITION_FAILED,
            PRECONDITION_REQUIRED,
            BODY_TOO_LARGE,
            UNSUPPORTED_MEDIA_TYPE,
            MISDIRECTED_REQUEST,
            INVALID_INPUT,
            TOO_MUCH_HISTORY,
            KEY_REUSED,
            PROFILE_RUNNING,
            INTERNAL_ERROR,
            OVERLOADED,
            QUEUE_FULL,
            QUEUE_DRAINING,
            TOO_MANY_STREAMS,
            LIVE_UNAVAILABLE,
            STORAGE_UNAVAILABLE,
            QUERY_TOO_SLOW,
        )
    }
)
