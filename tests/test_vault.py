"""What is sealed can be read by whoever has the key, and by nobody else."""

import pytest

from shared.vault import InvalidKeyError, NoSecretKeyError, UnreadableSecretError, Vault, new_key


def test_what_was_sealed_is_read_again_and_looks_different_each_time() -> None:
    """Equal secrets cannot be told to be equal."""
    vault = Vault([new_key()])
    one, other = vault.seal("hunter2 ü"), vault.seal("hunter2 ü")
    assert one != other
    assert "hunter2" not in one
    assert [vault.unseal(one), vault.unseal(other)] == ["hunter2 ü"] * 2


def test_of_several_keys_the_first_one_seals_and_all_unseal() -> None:
    """That is what lets keys be changed while everything runs."""
    old, new = new_key(), new_key()
    sealed = Vault([old]).seal("hunter2")
    both = Vault.of_setting(f"{new}, {old},")
    assert both.unseal(sealed) == "hunter2"
    resealed = both.reseal(sealed)
    assert Vault([new]).unseal(resealed) == "hunter2"
    with pytest.raises(UnreadableSecretError):
        Vault([old]).unseal(resealed)
    with pytest.raises(UnreadableSecretError):
        Vault([new]).reseal(sealed)


@pytest.mark.parametrize("keys", [None, "", " , "])
def test_without_a_key_nothing_is_sealed(keys: str | None) -> None:
    """The sentence names the setting."""
    vault = Vault.of_setting(keys)
    assert not vault.has_key
    for use in (vault.seal, vault.unseal, vault.reseal):
        with pytest.raises(NoSecretKeyError, match="TOCSIN_SECRET_KEYS"):
            use("hunter2")


@pytest.mark.parametrize("key", ["hunter2", "hünter2", "c2hvcnRlciB0aGFuIGEga2V5"])
def test_what_is_no_key_is_refused_without_being_repeated(key: str) -> None:
    """The sentence says how a key is made."""
    with pytest.raises(InvalidKeyError, match="tocsin secrets new-key") as refused:
        Vault.of_setting(f"{new_key()},{key}")
    assert key not in str(refused.value)
