"""Cursors of keyset pages: signed, and bound to the filters they were made for."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from api import problem_kinds
from api.problems import ProblemError

FoundT = TypeVar("FoundT")

_SIGNATURE_BYTES = 16


class Cursors:
    """Makes and reads cursors. `secret` is the same for every API process of an installation."""

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.blake2b(secret, digest_size=32, person=b"tocsin-cursor").digest()

    def write(self, place: bytes, *, query: str) -> str:
        """The cursor that leads on from `place` in the list that `query` describes."""
        return base64.urlsafe_b64encode(self._sign(place, query) + place).rstrip(b"=").decode()

    def read(self, cursor: str, *, query: str) -> bytes:
        """The place that the cursor leads on from.

        Raises:
            ProblemError: it is no cursor of ours, or was made for another query.
        """
        try:
            data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            data = b""
        signature, place = data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:]
        if not place or not hmac.compare_digest(signature, self._sign(place, query)):
            raise ProblemError(
                problem_kinds.INVALID_CURSOR, "The cursor was not made for this path with these filters."
            )
        return place

    def read_id(self, cursor: str | None, *, query: str) -> UUID | None:
        """The id that the cursor leads on from, None at the beginning.

        Raises:
            ProblemError: it is no cursor of ours, or was made for another query.
        """
        return None if cursor is None else UUID(bytes=self.read(cursor, query=query))

    def read_text(self, cursor: str | None, *, query: str) -> str:
        """The name that the cursor leads on from, nothing at the beginning.

        Raises:
            ProblemError: it is no cursor of ours, or was made for another query.
        """
        return "" if cursor is None else self.read(cursor, query=query).decode()

    def cut(
        self, found: Sequence[FoundT], limit: int, *, place: Callable[[FoundT], bytes], query: str
    ) -> tuple[Sequence[FoundT], str | None]:
        """A page of `limit`, and the cursor that leads on from its last place if more than that was `found`."""
        page = found[:limit]
        return page, self.write(place(page[-1]), query=query) if len(found) > limit else None

    def _sign(self, place: bytes, query: str) -> bytes:
        message = hashlib.sha256(query.encode()).digest() + place
        return hmac.digest(self._key, message, "sha256")[:_SIGNATURE_BYTES]
