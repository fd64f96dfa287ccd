"""The list in Valkey on which a stock worker tells when a job began."""

STARTED = "bench:started"
