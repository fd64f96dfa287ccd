"""What can keep an embedded server from running; every message says what to do."""


class EmbeddedServerError(RuntimeError):
    """An embedded server cannot run; the message is meant for the person at the terminal."""


class DataDirInUseError(EmbeddedServerError):
    """Another process runs the servers of this data directory."""
