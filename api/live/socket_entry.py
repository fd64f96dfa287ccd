"""Who may open a WebSocket: by the headers of the request that opens it, or by the first message."""

from api.authentication import Authentication, presented_key
from api.gate import check_host, check_origin, check_scope, unauthorized
from shared.domain.access import Principal, Scope


async def admit_by_headers(authentication: Authentication, headers: dict[bytes, bytes]) -> Principal | None:
    """Who opens the connection; None when a message has to tell, because no key was sent.

    A browser lets a page open connections to any host and sends no key by itself. So where none is needed, the page has
    to be of this server.

    Raises:
        ProblemError: the request is refused.
        StorageUnavailableError: its key cannot be looked up.
    """
    if presented_key(headers) is not None:
        return await _identify(authentication, headers)
    if not authentication.is_keyless:
        return None
    check_host(headers)
    check_origin(headers)
    return await _identify(authentication, headers)


async def admit_by_key(authentication: Authentication, key: str) -> Principal:
    """Who holds the key.

    Raises:
        ProblemError: nobody does, or may watch.
        StorageUnavailableError: it cannot be looked up.
    """
    return await _identify(authentication, {b"x-api-key": key.encode()})


async def _identify(authentication: Authentication, headers: dict[bytes, bytes]) -> Principal:
    principal = await authentication.identify(headers)
    if principal is None:
        raise unauthorized()
    check_scope(principal, Scope.READ)
    return principal
