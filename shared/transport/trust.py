"""Which certificate authorities are trusted: those of the machine."""

import os
import ssl
from functools import cache
from pathlib import Path

import certifi

BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, BSD, Alpine
)


@cache
def find_ca_file() -> str:
    """The file of trusted authorities: `SSL_CERT_FILE`, OpenSSL's default, a known place, else certifi's.

    libcurl's wheel carries the path of one distribution only, so it has to be told.
    """
    candidates = (os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *BUNDLES)
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            return candidate
    return certifi.where()
