"""The vault: secrets are sealed before they are stored, by keys that only the processes have.

Fernet of the `cryptography` package: AES-128-CBC with HMAC-SHA-256. Of several keys the first one seals, all unseal.
"""

from collections.abc import Sequence
from contextlib import suppress

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class NoSecretKeyError(Exception):
    """There is a secret to be sealed or unsealed, and no key; the message says what to set."""

    def __init__(self) -> None:
        super().__init__("a secret can be kept only with a key: set TOCSIN_SECRET_KEYS for the API and all workers")


class UnreadableSecretError(Exception):
    """What was sealed cannot be unsealed by any of the keys: one is missing, or it was spoiled."""

    def __init__(self) -> None:
        super().__init__("a sealed secret cannot be read: TOCSIN_SECRET_KEYS lacks the key that sealed it")


class InvalidKeyError(ValueError):
    """A key is none; the message does not repeat it."""


class Vault:
    """Seals and unseals texts; without a key it does neither."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        try:
            known = [Fernet(key) for key in keys]
        except ValueError as error:
            raise InvalidKeyError(
                "TOCSIN_SECRET_KEYS holds what is no key; `tocsin secrets new-key` makes one; commas separate several"
            ) from error
        self._first = known[0] if known else None
        self._fernet = MultiFernet(known) if known else None

    @property
    def has_key(self) -> bool:
        """Whether secrets can be kept."""
        return self._first is not None

    @classmethod
    def of_setting(cls, keys: str | None) -> "Vault":
        """The vault of `TOCSIN_SECRET_KEYS`: keys separated by commas, spaces round them do not matter.

        Raises:
            InvalidKeyError: one of them is none.
        """
        named = [key.strip() for key in (keys or "").split(",")]
        return cls([key for key in named if key])

    def seal(self, text: str) -> str:
        """Seal a text, differently each time.

        Raises:
            NoSecretKeyError: there is no key.
        """
        first, _ = self._keys()
        return first.encrypt(text.encode()).decode()

    def unseal(self, sealed: str) -> str:
        """The text that was sealed.

        Raises:
            NoSecretKeyError: there is no key.
            UnreadableSecretError: none of the keys sealed it.
        """
        _, keys = self._keys()
        try:
            return keys.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise UnreadableSecretError from error

    def reseal(self, sealed: str) -> str:
        """The same text sealed by the first key; what it has sealed already stays as it is.

        Raises:
            NoSecretKeyError: there is no key.
            UnreadableSecretError: none of the keys sealed it.
        """
        first, keys = self._keys()
        with suppress(InvalidToken):
            first.decrypt(sealed.encode())
            return sealed
        try:
            return keys.rotate(sealed.encode()).decode()
        except InvalidToken as error:
            raise UnreadableSecretError from error

    def _keys(self) -> tuple[Fernet, MultiFernet]:
        """The key that seals, and all that unseal."""
        if self._first is None or self._fernet is None:
            raise NoSecretKeyError
        return self._first, self._fernet


def new_key() -> str:
    """A new key, 32 random bytes in URL-safe base64."""
    return Fernet.generate_key().decode()
