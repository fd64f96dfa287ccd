"""The fixtures of an HTTP client that may dial loopback."""

from client_fixtures import authority, ca_file, client, engine, loopback, resolver, tls

__all__ = ["authority", "ca_file", "client", "engine", "loopback", "resolver", "tls"]
