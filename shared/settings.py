"""Every setting of Tocsin, read from the environment once per process (`TOCSIN_…`)."""

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def default_data_dir() -> Path:
    """A directory of the user's own, after the XDG base directory specification.

    Root's home is closed to the unprivileged user that root's embedded servers run as, so root has another.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/tocsin")
    return Path.home() / ".local" / "share" / "tocsin"


class Settings(BaseSettings):
    """The settings; `docs/settings.md` lists every field, and a test keeps it so."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_", frozen=True, extra="ignore")

    data_dir: Path = Field(default_factory=default_data_dir, description="Where the embedded servers keep their data.")
    database_url: SecretStr | None = Field(
        default=None,
        description="PostgreSQL to use instead of the embedded one, `postgresql://user:password@host:5432/name`.",
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description="Redis or Valkey to use instead of the embedded one: `redis://`, `rediss://` or `unix://`.",
    )
    host: str = Field(default="127.0.0.1", description="The address the API listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port the API listens on; 0 takes a free one.")
    admin_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="An API key with every right, 16 characters or more, beside those made by `tocsin keys create`.",
    )
    url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/]",
        description="Where `tocsin apply`, `diff`, `export` find the API; `TOCSIN_HOST` and `TOCSIN_PORT` unless set.",
    )
    api_key: SecretStr | None = Field(
        default=None, description="The API key of those commands; `TOCSIN_ADMIN_KEY` unless set."
    )
    secret_keys: SecretStr | None = Field(
        default=None,
        description="Keys that seal secrets, separated by commas; the first seals, all read. `tocsin secrets new-key`.",
    )
    workers: int = Field(default=2, ge=0, le=64, description="How many worker processes `tocsin up` starts.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least level logged."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="`auto` is readable on a terminal and JSON elsewhere."
    )
    database_pool_size: int = Field(
        default=8,
        ge=2,
        le=100,
        description="The most database connections one process opens; a worker opens one more for its heartbeat.",
    )
    max_body_bytes: int = Field(
        default=8 * 1024 * 1024, ge=1024, description="A larger request body is refused with 413."
    )
    ping_body_limit: int = Field(
        default=100_000,
        ge=0,
        le=1_000_000,
        description="How many bytes of a ping's body are kept; the rest is cut off.",
    )
    submit_buffer: int = Field(
        default=20_000, ge=1, description="Submissions that may wait for a commit before the API answers 503."
    )
    queue_limit: int = Field(
        default=1_000_000,
        ge=1,
        description="Due jobs that may wait in a queue before submissions to it are refused with 503.",
    )
    max_waiters: int = Field(
        default=5_000,
        ge=0,
        description="`Prefer: wait` requests held open per API process; above it they answer at once.",
    )
    max_streams: int = Field(
        default=2_000, ge=0, description="Clients that watch live events per API process; above it they get 503."
    )
    collect_slots: int = Field(default=20, ge=1, le=1000, description="Collect jobs one worker process runs at once.")
    notify_slots: int = Field(default=100, ge=1, le=1000, description="Notify jobs one worker process runs at once.")
    round_slots: int = Field(
        default=50, ge=1, le=1000, description="Rounds of scheduled collection one worker process runs at once."
    )
    target_slots: int = Field(
        default=100, ge=1, le=10_000, description="Targets one worker process collects at once, over all its jobs."
    )
    host_slots: int = Field(
        default=10, ge=1, le=1000, description="Targets of one host that one worker process collects at once."
    )
    egress: str = Field(
        default="any",
        description="What collectors may dial: `any` (private networks too), `public`, or CIDRs separated by commas.",
    )
    egress_allow: str = Field(
        default="",
        description="CIDRs with port that are dialled although always denied otherwise, e.g. `127.0.0.1/32:9090`.",
    )
    egress_loopback: bool = Field(
        default=False,
        description="Whether collectors may dial loopback; `tocsin up` sets it when embedded and bound to loopback.",
    )
    canaries: str = Field(
        default="",
        description="Places that always answer, `host:port` or URLs, with commas; while none answers, nothing is down.",
    )
    webhook_egress: str = Field(
        default="public", description="What webhooks and mail servers may be dialled at, written like `egress`."
    )
    file_roots: str = Field(
        default="/var/log:/tmp",
        description="Directories, separated by colons, below which the file collector may read.",
    )
    lease_seconds: float = Field(
        default=30.0, ge=2.0, le=600.0, description="How long a worker owns a running job without a heartbeat."
    )
    drain_seconds: float = Field(
        default=20.0,
        ge=0.0,
        le=3600.0,
        description="How long a stopping worker waits for its running jobs before it hands them back.",
    )
    worker_metrics_port: int = Field(
        default=0, ge=0, le=65535, description="The port on `TOCSIN_HOST` where a worker shows its metrics; 0 for none."
    )
    worker_beat_file: Path | None = Field(
        default=None,
        description="A file that a worker touches every 5 s while it lives, for a container's health check.",
    )
    otlp_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^/]",
        description="The OpenTelemetry collector that spans are sent to over HTTP, e.g. `http://127.0.0.1:4318`.",
    )
    trace_ratio: float = Field(
        default=1.0, ge=0.0, le=1.0, description="The share of the traces begun here that is recorded."
    )
    sentry_dsn: SecretStr | None = Field(
        default=None,
        description="Where Tocsin's own errors are reported: the DSN of Sentry, or of what speaks like it.",
    )
    slow_query_ms: int = Field(
        default=500, ge=0, le=60_000, description="A database statement that takes as long is logged; 0 for none."
    )
    job_days: int = Field(
        default=30, ge=0, le=36_500, description="How many days ended jobs are kept, with their attempts; 0 for ever."
    )
    external_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/][^\s]*$",
        description="How people reach this Tocsin, such as `https://tocsin.example`; notices lead there.",
    )
    alert_days: int = Field(
        default=400,
        ge=0,
        le=36_500,
        description="How many days alerts are kept after their end, with their history and notices; 0 for ever.",
    )
    hot_days: int = Field(
        default=2, ge=2, le=3650, description="How many days of samples, with today, stay rows; older days are packed."
    )
    sample_days: int = Field(
        default=400, ge=2, le=36_500, description="How many days single samples are kept, packed ones too."
    )
    storage_cap: str = Field(
        default="0",
        pattern=r"^[0-9]{1,15}(\.[0-9]{1,6})?( ?(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB))?$",
        description="How much room samples may take, e.g. `20GB`; the oldest months beyond it are dropped. 0 for any.",
    )
    hour_days: int = Field(default=100, ge=2, le=36_500, description="How many days hourly roll-ups are kept.")
    smtp_url: SecretStr | None = Field(
        default=None,
        description="The mail server used when an e-mail channel names none: `smtp://`, `smtp+starttls://` or `smtps://user:password@host:port`.",
    )
    mail_from: str = Field(default="tocsin@localhost", description="The sender of e-mail.")
    embedded: bool = Field(
        default=False,
        description="Set by `tocsin up` for the processes it starts when both servers are its own; not for you to set.",
    )

    @property
    def is_embedded(self) -> bool:
        """Whether both servers are Tocsin's own, so that whoever is on this machine may do without a key."""
        return self.embedded

    @property
    def is_loopback(self) -> bool:
        """Whether the API can be reached from this machine only."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False
