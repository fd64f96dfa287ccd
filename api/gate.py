"""What is refused before any route is looked for: foreign hosts and pages, missing rights, bodies that cannot be."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.types import Scope as AsgiScope

from api import problem_kinds
from api.authentication import Authentication
from api.ping_urls import is_ping_path
from api.problems import ProblemError
from shared.domain.access import LOCAL, PINGER, Principal, Scope

MERGE_PATCH = b"application/merge-patch+json"
"""How a patch may be declared, too (RFC 7396)."""
READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN_PATHS = frozenset({"/livez", "/readyz", "/openapi.json"})
_ADMIN_PATHS = ("/api/v1/keys", "/api/v1/ping-keys", "/api/v1/admin/")
_STEERED_PATHS = ("/api/v1/workers", "/api/v1/queues", "/api/v1/limits", "/api/v1/secrets")
"""What only admins change, and everybody with a key may look at."""


class Gate:
    """Lets requests in, or says why not. `is_metrics_open` is for a server that only its own machine reaches."""

    def __init__(self, authentication: Authentication, *, max_body_bytes: int, is_metrics_open: bool) -> None:
        self._authentication = authentication
        self._max_body_bytes = max_body_bytes
        self._is_metrics_open = is_metrics_open

    async def admit(self, scope: AsgiScope, headers: dict[bytes, bytes]) -> Principal:
        """Who sends the request.

        Raises:
            ProblemError: the request is refused.
            StorageUnavailableError: its key cannot be looked up.
        """
        method: str = scope["method"]
        if is_ping_path(scope["path"]):
            return PINGER
        needed = self.scope_needed(method, scope["path"])
        principal = LOCAL
        if needed is not None:
            principal = await self._authenticate(headers, needed)
        if self._authentication.is_keyless and principal is LOCAL:
            check_host(headers)
            if method not in READING_METHODS:
                check_origin(headers)
        if method not in READING_METHODS:
            self._check_body(headers, method)
        return principal

    def scope_needed(self, method: str, path: str) -> Scope | None:
        """The right a request needs; None where everybody may look."""
        if path in _OPEN_PATHS or (path == "/metrics" and self._is_metrics_open):
            return None
        if path == "/metrics":
            return Scope.READ
        if not path.startswith("/api/"):
            return None
        if path.startswith(_ADMIN_PATHS):
            return Scope.ADMIN
        if method in READING_METHODS:
            return Scope.READ
        return Scope.ADMIN if path.startswith(_STEERED_PATHS) else Scope.SUBMIT

    async def _authenticate(self, headers: dict[bytes, bytes], needed: Scope) -> Principal:
        principal = await self._authentication.identify(headers)
        if principal is None:
            raise unauthorized()
        check_scope(principal, needed)
        return principal

    def _check_body(self, headers: dict[bytes, bytes], method: str) -> None:
        length = headers.get(b"content-length")
        if length is not None and int(length) > self._max_body_bytes:
            raise body_too_large(self._max_body_bytes)
        if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            raise ProblemError(problem_kinds.UNSUPPORTED_MEDIA_TYPE, "Send the body uncompressed.")
        has_body = b"transfer-encoding" in headers or (length is not None and int(length) > 0)
        media_type = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        # Requiring a type that a form cannot send keeps foreign pages from posting in a user's name.
        is_json = media_type == b"application/json" or (method == "PATCH" and media_type == MERGE_PATCH)
        if (has_body or media_type) and not is_json:
            raise ProblemError(problem_kinds.UNSUPPORTED_MEDIA_TYPE, "Send the body as application/json.")


def unauthorized() -> ProblemError:
    """Nobody is known by what was sent."""
    return ProblemError(
        problem_kinds.UNAUTHORIZED,
        "The request carries no API key that is valid here.",
        headers={"WWW-Authenticate": 'Bearer realm="tocsin"'},
    )


def check_scope(principal: Principal, needed: Scope) -> None:
    """Refuse who has less than the right that is needed.

    Raises:
        ProblemError: the key's scope does not include it.
    """
    if not principal.scope.includes(needed):
        raise ProblemError(
            problem_kinds.FORBIDDEN,
            f"This needs a key of the scope {needed}; yours is {principal.scope}.",
            headers={"WWW-Authenticate": f'Bearer realm="tocsin", error="insufficient_scope", scope="{needed}"'},
            members={"scope_needed": needed.value},
        )


def body_too_large(max_body_bytes: int) -> ProblemError:
    """The body is larger than the bound."""
    return ProblemError(problem_kinds.BODY_TOO_LARGE, f"A body has at most {max_body_bytes} bytes.")


def check_host(headers: dict[bytes, bytes]) -> None:
    """Refuse a name that a foreign page could have made to lead here (DNS rebinding).

    Raises:
        ProblemError: the host is not this machine by its own names.
    """
    if not is_loopback_host(headers.get(b"host", b"").decode("latin-1")):
        raise ProblemError(problem_kinds.MISDIRECTED_REQUEST, "The header Host does not name this machine.")


def is_loopback_host(host: str) -> bool:
    """Whether `host`, perhaps with a port, is `localhost`, below it, or a loopback address."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or name.endswith(".localhost") or ip_address(name).is_loopback
    except ValueError:
        return False


def check_origin(headers: dict[bytes, bytes]) -> None:
    """Refuse a change that a page of another origin asks for, since without a key nothing else tells it apart.

    Raises:
        ProblemError: the browser says that the request comes from another origin.
    """
    origin = headers.get(b"origin")
    is_foreign = headers.get(b"sec-fetch-site", b"none") not in {b"none", b"same-origin"}
    if origin is not None and urlsplit(origin).netloc != headers.get(b"host", b""):
        is_foreign = True
    if is_foreign:
        raise ProblemError(problem_kinds.CROSS_ORIGIN, "The request comes from a page of another origin.")
