"""The key and the vault of the tests."""

from shared.vault import Vault

SECRET_KEY = "dG9jc2luJ3MgdGVzdHMgYXJlIHNlYWxlZCBieSBpdCE="
"""No secret: it seals what the tests make up."""
VAULT = Vault([SECRET_KEY])
