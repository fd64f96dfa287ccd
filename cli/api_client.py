"""The API as commands speak to it: over HTTP, from any machine."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import httpx2
import orjson

from shared.settings import Settings

TIMEOUT_SECONDS = 120.0
"""A plan over ten thousand monitors takes seconds."""
PAGE = 200


class ApiError(Exception):
    """The API refused or did not answer; the message says what to do.

    `kind` is the problem's, when it gave one, `mistakes` the pointers into the body that it names, with what is wrong.
    """

    def __init__(self, message: str, *, kind: str | None = None, mistakes: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.mistakes = mistakes or {}


class ApiClient:
    """One conversation with the API."""

    def __init__(self, settings: Settings) -> None:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self._url = (settings.url or f"http://{host}:{settings.port}").rstrip("/")
        key = settings.api_key or settings.admin_key
        headers = {} if key is None else {"authorization": f"Bearer {key.get_secret_value()}"}
        self._client = httpx2.Client(base_url=self._url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def post(self, path: str, body: object) -> Any:  # noqa: ANN401 - JSON is any value
        """Send JSON and read the answer's.

        Raises:
            ApiError: it was refused, or nobody answers.
        """
        return self._read("POST", path, content=orjson.dumps(body), headers={"content-type": "application/json"})

    def list_all(self, path: str, parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """All items of a list, page by page.

        Raises:
            ApiError: it was refused, or nobody answers.
        """
        cursor: str | None = ""
        while cursor is not None:
            page = self._read("GET", path, params=parameters | {"limit": PAGE} | ({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page["next_cursor"]

    def _read(self, method: str, path: str, **sent: Any) -> Any:  # noqa: ANN401 - JSON is any value
        try:
            answer = self._client.request(method, path, **sent)
        except httpx2.HTTPError as error:
            raise ApiError(
                f"{self._url} does not answer ({type(error).__name__}); set TOCSIN_URL, or start `tocsin up`"
            ) from error
        if answer.is_success:
            return orjson.loads(answer.content)
        raise _refusal(answer, self._url)


def _refusal(answer: httpx2.Response, url: str) -> ApiError:
    """The problem as a sentence, with the places it names."""
    try:
        problem = orjson.loads(answer.content)
        kind, detail = str(problem["type"]).rpartition("/")[2], str(problem.get("detail") or problem["title"])
        mistakes = {
            str(each.get("pointer") or each.get("parameter")): str(each["detail"]) for each in problem.get("errors", [])
        }
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return ApiError(f"{url} answered {answer.status_code}, and is no Tocsin")
    if answer.status_code == httpx2.codes.UNAUTHORIZED:
        detail += " Set TOCSIN_API_KEY."
    lines = [detail, *(f"  {place}: {wrong}" for place, wrong in mistakes.items())]
    return ApiError("\n".join(lines), kind=kind, mistakes=mistakes)
