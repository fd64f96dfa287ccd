"""Secrets on their way to the targets that name them."""

import asyncio
from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter

from shared.domain.target.observation import Blame, Fault, Observation
from shared.domain.target.outcome import Outcome
from shared.domain.target.target_identity import display_name
from shared.domain.target.targets import HttpTarget, Target
from shared.services.secret.secrets import SecretValues
from shared.services.target.collection import Collection
from shared.storage.database import Database, create_engine
from shared.storage.secret.secret_store import SecretStore
from shared.vault import Vault, new_key

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
VAULT = Vault([new_key()])
TARGETS: TypeAdapter[Target] = TypeAdapter(Target)
TARGET = TARGETS.validate_python({"kind": "http", "url": "https://h.example/{{secret:PATH}}", "body": "{{secret:PW}}"})


class Echo:
    """A collector of a server that repeats whatever it is sent."""

    def __init__(self) -> None:
        self.seen: list[HttpTarget] = []

    async def collect(self, target: HttpTarget) -> Observation:
        self.seen.append(target)
        return Observation(1.0, fault=Fault("odd", f"no: {target.url} {target.body}", Blame.TARGET))

    async def close(self) -> None:
        """Nothing is open."""


async def put(database: Database, name: str, value: str, *, vault: Vault = VAULT) -> None:
    async with database.transaction() as work:
        await SecretStore(work).put(name, vault.seal(value), updated_by="tests")


async def look(database: Database, values: SecretValues | None) -> tuple[Outcome, str | None, str | None, Echo]:
    echo = Echo()
    collection = Collection({"http": echo}, clock=lambda: NOW, target_slots=4, host_slots=4, secrets=values)
    reading = await collection.collect(TARGET)
    return reading.outcome, reading.code, reading.message, echo


async def test_a_target_gets_the_secrets_it_names_and_nobody_else_does(database: Database) -> None:
    """The collector sees the values; names and messages do not hold them."""
    await put(database, "PATH", "hunter2/x")
    await put(database, "PW", "correct horse")
    outcome, code, message, echo = await look(database, SecretValues(database, VAULT))
    assert (outcome, code) == (Outcome.DOWN, "odd")
    assert message == "no: https://h.example/*** ***"
    assert (echo.seen[0].url, echo.seen[0].body) == ("https://h.example/hunter2%2Fx", "correct horse")
    assert display_name(echo.seen[0]) == "https://h.example/{{secret:PATH}}"


async def test_a_secret_that_is_made_anew_is_another_one(database: Database) -> None:
    """Deleted and set again between two looks it counts its versions from one again, and has its new value."""
    values = SecretValues(database, VAULT, fresh_seconds=0.0)
    for value in ("before", "after"):
        await put(database, "PW", value)
        assert await values.load(["PW"]) == {"PW": value}
        async with database.transaction() as work:
            assert await SecretStore(work).delete("PW")


async def test_a_missing_secret_is_our_fault_and_nothing_is_sent(database: Database) -> None:
    """Also one that was sealed with a key that is no longer there."""
    await put(database, "PATH", "x", vault=Vault([new_key()]))
    for values in (SecretValues(database, VAULT), SecretValues(database, Vault()), None):
        outcome, code, message, echo = await look(database, values)
        assert (outcome, code) == (Outcome.ERROR, "secret_missing")
        assert message is not None
        assert "PATH, PW" in message
        assert not echo.seen


async def test_a_database_that_is_away_is_our_fault_too() -> None:
    """What was read before may no longer be true, and a wrong password would show the target as down."""
    away = Database(create_engine("postgresql://t@127.0.0.1:1/t", pool_size=1, name="tests"))
    outcome, code, _, echo = await look(away, SecretValues(away, VAULT))
    assert (outcome, code, echo.seen) == (Outcome.ERROR, "secret_unreadable", [])
    await away.close()


async def test_a_changed_secret_is_used_when_what_is_known_is_no_longer_fresh(database: Database) -> None:
    """Until then the one that is known is used without asking again."""
    await put(database, "A", "old")
    patient, eager = SecretValues(database, VAULT), SecretValues(database, VAULT, fresh_seconds=0.0)
    assert await patient.load(["A", "B"]) == await eager.load(["A", "B"]) == {"A": "old"}
    await put(database, "A", "new")
    await put(database, "B", "too")
    assert await patient.load(["A", "B"]) == {"A": "old"}
    assert await eager.load(["A", "B"]) == {"A": "new", "B": "too"}


@pytest.mark.parametrize("count", [3])
async def test_many_may_ask_at_once(database: Database, count: int) -> None:
    """Each gets its own names."""
    for number in range(count):
        await put(database, f"S{number}", f"value {number}")
    values = SecretValues(database, VAULT)
    found = await asyncio.gather(*(values.load([f"S{number}"]) for number in range(count)))
    assert found == [{f"S{number}": f"value {number}"} for number in range(count)]
