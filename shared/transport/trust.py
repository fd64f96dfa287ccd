"""Which certificate authorities are trusted: those of the machine."""

import os
import ssl
from functools import cache
from importlib.util import find_spec
from pathlib import Path

BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, BSD, Alpine
)


@cache
def find_ca_file() -> str | None:
    """The file of trusted authorities: `SSL_CERT_FILE`, OpenSSL's default, a known place, else certifi's if installed.

    libcurl's wheel carries the path of one distribution only, so it has to be told. None means that nothing was found.
    """
    candidates = (os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *BUNDLES)
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            return candidate
    if find_spec("certifi") is None:
        return None
    import certifi  # noqa: PLC0415 - it is only there when something else brings it.

    return certifi.where()
