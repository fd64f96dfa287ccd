"""`tocsin secrets` as a person calls it."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.secrets import EXIT_INCOMPLETE, EXIT_REFUSED, secrets
from shared.storage.database import Database
from shared.storage.secret.secret_store import SecretStore
from shared.vault import Vault, new_key

OLD, NEW = new_key(), new_key()


async def call(*arguments: str, **settings: str) -> tuple[int, str]:
    environment = {f"TOCSIN_{name.upper()}": value for name, value in settings.items()}
    result = await asyncio.to_thread(CliRunner().invoke, secrets, arguments, env=environment)
    return result.exit_code, result.output


async def test_a_new_key_is_one_and_another_each_time() -> None:
    """It is printed alone, for a script to take."""
    (_, one), (_, other) = await call("new-key"), await call("new-key")
    assert one != other
    assert Vault([one.strip()]).has_key


async def test_keys_are_changed_by_three_steps(database: Database, database_url: str, tmp_path: Path) -> None:
    """The new one first, then rotate, then the old one can go; too early it says so, and which to keep."""
    async with database.transaction() as work:
        await SecretStore(work).put("A", Vault([OLD]).seal("hunter2"), updated_by="tests")
    place = {"database_url": database_url, "data_dir": str(tmp_path)}
    code, said = await call("rotate", **place, secret_keys=NEW)
    assert code == EXIT_INCOMPLETE
    assert "keep the older keys" in said
    (tmp_path / "secret.keys").write_text(f"{NEW}\n{OLD}\n")
    code, said = await call("rotate", **place)
    assert code == 0
    assert "secrets" in said
    async with database.transaction() as work:
        (found,) = await SecretStore(work).find_sealed(["A"])
    assert Vault([NEW]).unseal(found.value) == "hunter2"


@pytest.mark.parametrize("keys", ["", "hunter2"])
async def test_without_a_valid_key_it_says_what_to_do(database_url: str, tmp_path: Path, keys: str) -> None:
    """And does not repeat what was set."""
    code, said = await call("rotate", database_url=database_url, data_dir=str(tmp_path), secret_keys=keys)
    assert code == EXIT_REFUSED
    assert "TOCSIN_SECRET_KEYS" in said
    assert "hunter2" not in said
