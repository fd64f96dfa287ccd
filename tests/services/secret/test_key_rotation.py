"""Everything sealed is sealed anew by a new key, while everything runs."""

import json

import pytest
from job_bench import new_job
from uuid_utils.compat import uuid7

from shared.clock import utc_now
from shared.domain.job.jobs import JobKind
from shared.services.job.job_secrets import JobSecrets
from shared.services.secret.key_rotation import KeyRotation, Rotated
from shared.storage.database import Database
from shared.storage.job.job_store import JobStore
from shared.storage.secret.sealed_store import SealedPlace, SealedStore
from shared.storage.secret.secret_store import SecretStore
from shared.vault import NoSecretKeyError, Vault, new_key

OLD, NEW = new_key(), new_key()
BEFORE, BETWEEN, AFTER = Vault([OLD]), Vault([NEW, OLD]), Vault([NEW])
CHANNEL = {"kind": "webhook", "url": "https://hooks.example/hunter2"}


async def keep_something_of_each(database: Database) -> None:
    """Three secrets, a sealed monitor and channel and plain ones, and jobs sealed in every way, and one that is not."""
    async with database.transaction() as work:
        for name in ("A", "B", "C"):
            await SecretStore(work).put(name, BEFORE.seal(name), updated_by="tests")
        for number, (target, is_sealed) in enumerate([(BEFORE.seal("{}"), True), ("{}", False)]):
            await work.run(
                """
                insert into monitors (monitor_id, group_name, name, kind, target, is_sealed, shown, interval_ms,
                                      confirmations, confirm_ms, series_id, created_by)
                values ($1, 'web', $2::text, 'http', $3, $4, '{}', 60000, 1, 5000, $5, 'tests')
                """,
                uuid7(),
                f"shop {number}",
                target,
                is_sealed,
                number,
            )
            await work.run(
                """
                insert into channels (channel_id, name, kind, config, is_sealed, shown, options, created_by)
                values ($1, $2::text, 'email', $3, $4, '{}', '{}', 'tests')
                """,
                uuid7(),
                f"ops {number}",
                target,
                is_sealed,
            )
        whole = {"sealed": BEFORE.seal('{"targets": []}')}
        channel = {
            "channel": {"kind": "webhook", "sealed": BEFORE.seal(json.dumps(CHANNEL))},
            "message": {"title": "t"},
        }
        plain = json.dumps({"targets": [{"kind": "file", "path": "/tmp/x"}]})
        webhook = json.dumps({"sealed": BEFORE.seal('{"url": "https://hooks.example"}')})
        jobs = [
            new_job(kind=JobKind.COLLECT, spec=json.dumps(whole)),
            new_job(spec=json.dumps(channel)),
            new_job(kind=JobKind.COLLECT, spec=plain, completion=webhook),
            new_job(kind=JobKind.COLLECT, spec=plain),
        ]
        await JobStore(work).insert(jobs, now=utc_now())


async def rotated(database: Database, vault: Vault) -> dict[str, tuple[int, int, int]]:
    rotation = KeyRotation(database, vault, batch=2)
    done = [await rotation.rotate(place) for place in SealedPlace]
    return {each.place.value: (each.resealed, each.current, each.unreadable) for each in done}


async def test_everything_is_read_with_the_new_key_alone_and_a_second_run_finds_it_done(database: Database) -> None:
    """Secrets, monitors, specs, channels and webhooks of jobs, waiting or ended; what is plain stays as it is."""
    await keep_something_of_each(database)
    async with database.transaction() as work:
        await work.run("update jobs set state = 'cancelled', finished_at = now() where kind = 'notify'")
    assert await rotated(database, BETWEEN) == {
        "secrets": (3, 0, 0),
        "monitors": (1, 0, 0),
        "channels": (1, 0, 0),
        "jobs": (3, 0, 0),
    }
    assert await rotated(database, AFTER) == {
        "secrets": (0, 3, 0),
        "monitors": (0, 1, 0),
        "channels": (0, 1, 0),
        "jobs": (0, 3, 0),
    }
    async with database.transaction() as work:
        values = [AFTER.unseal(row.value) for row in await work.fetch("select value from secrets order by name")]
        specs = [row.spec for row in await work.fetch("select spec::text as spec from jobs order by job_id")]
        plain = await work.fetch("select target from monitors where not is_sealed")
    assert values == ["A", "B", "C"]
    assert [json.loads(JobSecrets(AFTER).unseal(spec)) for spec in specs[:2]] == [
        {"targets": []},
        {"channel": CHANNEL, "message": {"title": "t"}},
    ]
    assert [row.target for row in plain] == ["{}"]


async def test_what_no_key_reads_is_counted_and_left(database: Database) -> None:
    """The others are resealed all the same."""
    await keep_something_of_each(database)
    async with database.transaction() as work:
        await SecretStore(work).put("B", Vault([new_key()]).seal("lost"), updated_by="tests")
    rotation = KeyRotation(database, BETWEEN, batch=2)
    done = await rotation.rotate(SealedPlace.SECRETS)
    assert done == Rotated(SealedPlace.SECRETS, resealed=2, unreadable=1)
    assert not done.is_whole


async def test_what_others_write_meanwhile_stands(database: Database) -> None:
    """A secret set between reading and writing is not put back."""
    await keep_something_of_each(database)
    async with database.transaction() as work:
        read = await SealedStore(work).list_sealed(SealedPlace.SECRETS, after=None, limit=10)
        await SecretStore(work).put("A", BEFORE.seal("newer"), updated_by="tests")
    async with database.transaction() as work:
        assert await SealedStore(work).replace(SealedPlace.SECRETS, [(each, each) for each in read]) == 2
    assert await rotated(database, BETWEEN) == {
        "secrets": (3, 0, 0),
        "monitors": (1, 0, 0),
        "channels": (1, 0, 0),
        "jobs": (3, 0, 0),
    }
    async with database.transaction() as work:
        (found,) = await SecretStore(work).find_sealed(["A"])
    assert AFTER.unseal(found.value) == "newer"


async def test_without_a_key_nothing_is_begun(database: Database) -> None:
    """The error names the setting."""
    await keep_something_of_each(database)
    with pytest.raises(NoSecretKeyError, match="TOCSIN_SECRET_KEYS"):
        await KeyRotation(database, Vault()).rotate(SealedPlace.SECRETS)
