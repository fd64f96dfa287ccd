import socket
from pathlib import Path

import pytest

from cli.announcement import address, key_fact
from cli.embedded import ServerUrls
from cli.embedded.errors import EmbeddedServerError
from cli.embedded.secret_keys import find_secret_keys
from cli.readiness import AddressTakenError, free_port, is_ready
from cli.up import child_environment, make_processes, with_loopback, with_secret_keys
from shared.settings import Settings
from shared.vault import Vault, new_key

URLS = ServerUrls("postgresql://tocsin@/tocsin?host=/run", "unix:///run/valkey.sock?db=0")


def settings_of(**changes: object) -> Settings:
    return Settings.model_validate({"data_dir": Path("/nowhere"), **changes})


def test_children_see_where_the_servers_are_and_whose() -> None:
    """They find both addresses set, hence are told that the servers are Tocsin's own."""
    environment = child_environment({"PATH": "/bin"}, settings_of(embedded=True, port=8123), urls=URLS)
    assert environment == {
        "PATH": "/bin",
        "TOCSIN_DATABASE_URL": URLS.database_url,
        "TOCSIN_REDIS_URL": URLS.redis_url,
        "TOCSIN_HOST": "127.0.0.1",
        "TOCSIN_PORT": "8123",
        "TOCSIN_EMBEDDED": "true",
    }


def test_an_inherited_claim_of_being_embedded_is_overruled() -> None:
    """Only `up` knows; what the environment says would switch keys off on foreign servers."""
    environment = child_environment({"TOCSIN_EMBEDDED": "true"}, settings_of(embedded=False), urls=URLS)
    assert environment["TOCSIN_EMBEDDED"] == "false"


def test_an_embedded_database_has_keys_that_stay_and_only_their_owner_reads(tmp_path: Path) -> None:
    """They are made at the first start and handed to every process."""
    settings = with_secret_keys(settings_of(data_dir=tmp_path, secret_keys=""))
    assert settings.secret_keys is not None
    keys = settings.secret_keys.get_secret_value()
    assert Vault.of_setting(keys).has_key
    assert (tmp_path / "secret.keys").stat().st_mode & 0o777 == 0o600
    assert with_secret_keys(settings_of(data_dir=tmp_path)).secret_keys == settings.secret_keys
    assert child_environment({}, settings, urls=URLS)["TOCSIN_SECRET_KEYS"] == keys
    (tmp_path / "secret.keys").write_text(f"one\n{keys}\n")
    assert find_secret_keys(tmp_path) == f"one,{keys}"


def test_keys_that_are_set_are_kept_and_a_foreign_database_gets_none(tmp_path: Path) -> None:
    """Whose the database is, theirs are the keys."""
    own = settings_of(data_dir=tmp_path, secret_keys=new_key())
    assert with_secret_keys(own) is own
    foreign = settings_of(data_dir=tmp_path, database_url="postgresql://elsewhere")
    assert with_secret_keys(foreign).secret_keys is None
    assert not list(tmp_path.iterdir())


def test_keys_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """Making others would leave every secret unreadable."""
    (tmp_path / "secret.keys").mkdir()
    with pytest.raises(EmbeddedServerError, match=r"secret\.keys cannot be read"):
        with_secret_keys(settings_of(data_dir=tmp_path))


@pytest.mark.parametrize(
    ("embedded", "host", "expected"),
    [(True, "127.0.0.1", "true"), (True, "0.0.0.0", "false"), (False, "127.0.0.1", "false"), (True, "::1", "true")],
)
def test_workers_may_dial_loopback_only_where_nobody_else_can_ask_them(
    embedded: bool,  # noqa: FBT001
    host: str,
    expected: str,
) -> None:
    """Embedded and bound to loopback, whoever asks is on this machine anyway."""
    environment = with_loopback({}, settings_of(embedded=embedded, host=host))
    assert environment["TOCSIN_EGRESS_LOOPBACK"] == expected


def test_a_users_word_on_loopback_wins() -> None:
    """What is set in the environment stays."""
    assert with_loopback({"TOCSIN_EGRESS_LOOPBACK": "no"}, settings_of(embedded=True)) == {
        "TOCSIN_EGRESS_LOOPBACK": "no"
    }


def test_as_many_workers_as_asked_for_are_made() -> None:
    """One API, N workers."""
    processes = make_processes(settings_of(), URLS, workers=3)
    assert [process.name for process in processes] == ["api", "worker 1", "worker 2", "worker 3"]


@pytest.mark.parametrize(("port", "expected"), [(9100, ["9100", "9101", "9102"]), (0, ["0", "0", "0"])])
def test_each_worker_shows_its_metrics_at_a_port_of_its_own(port: int, expected: list[str]) -> None:
    """Prometheus finds every one of them; without a port none listens."""
    _, *workers = make_processes(settings_of(worker_metrics_port=port), URLS, workers=3)
    assert [worker.environment["TOCSIN_WORKER_METRICS_PORT"] for worker in workers] == expected


def test_a_taken_port_is_named_with_what_to_do() -> None:
    """It is found before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(AddressTakenError, match=rf"Port {port} of 127.0.0.1 is taken.*TOCSIN_PORT={port + 1}"):
            free_port("127.0.0.1", port)


def test_port_zero_becomes_a_free_one() -> None:
    """The API and what is printed need the same number."""
    assert free_port("127.0.0.1", 0) > 0


def test_an_address_of_another_machine_is_refused() -> None:
    """192.0.2.0/24 is for documentation and is nobody's."""
    with pytest.raises(AddressTakenError, match="TOCSIN_HOST"):
        free_port("192.0.2.1", 0)


def test_nothing_listening_is_not_ready() -> None:
    """A refused connection means not yet."""
    assert is_ready("127.0.0.1", free_port("127.0.0.1", 0)) is False


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"embedded": True}, "none needed"),
        ({"embedded": True, "host": "0.0.0.0"}, "needed: one made by"),
        ({"embedded": False}, "needed: one made by"),
        ({"embedded": True, "admin_key": "a-long-enough-key"}, "needed: TOCSIN_ADMIN_KEY"),
    ],
)
def test_it_says_whether_a_key_is_needed(changes: dict[str, object], expected: str) -> None:
    """By the same settings as the API decides."""
    assert key_fact(settings_of(**changes)).startswith(expected)


def test_an_address_of_ip_version_6_is_bracketed() -> None:
    """As RFC 3986 wants it in a URL."""
    assert address(settings_of(host="::1", port=8000)) == "http://[::1]:8000"
