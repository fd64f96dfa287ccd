"""How the API's tests speak to it."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import httpx2

from api.services import ApiServices
from shared.domain.access import Scope

ADMIN_KEY = "tocsin_admin_" + "a" * 43
BASE_URL = "http://127.0.0.1"

MakeServices = Callable[..., ApiServices]
OpenClient = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]
MakeKey = Callable[[Scope], Awaitable[str]]
