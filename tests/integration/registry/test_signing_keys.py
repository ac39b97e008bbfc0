"""Signing keys: a new one is published before it signs, an old one until its last token has expired."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx
import msgspec
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from services.registry.domain.key_rotation import KeyRotationOrdered
from services.registry.tokens import signing
from services.registry.tokens.signing import AGE, KEPT, LEAD, WRAPPED, SigningKeys
from services.registry.wiring import DEFINITION
from shared.vault.boxes import Unreadable
from shared.vault.keys import Keyring
from shared.vault.master import FileMasterKey
from shared.vault.rotation import rewrap
from tests.integration.registry.conftest import Bank, Staff


class Wall:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    monkeypatch.setattr(signing, "RELOAD_SECONDS", 0.0)
    return Wall()


@pytest.fixture
def signing_keys(application: FastAPI, pool: asyncpg.Pool, keys: Path, wall: Wall) -> SigningKeys:
    return SigningKeys(pool, Keyring(FileMasterKey(keys)), wall)


async def kids(keys: SigningKeys) -> list[str]:
    return [key["kid"] for key in await keys.published()]


async def test_the_first_key_is_made_on_first_use_and_kept(
    signing_keys: SigningKeys, pool: asyncpg.Pool, keys: Path
) -> None:
    first = (await signing_keys.signer()).kid
    assert await kids(signing_keys) == [first]
    another = SigningKeys(pool, Keyring(FileMasterKey(keys)))
    assert (await another.signer()).kid == first


async def test_a_new_key_is_published_before_it_signs_and_the_old_one_until_its_tokens_are_over(
    signing_keys: SigningKeys, wall: Wall
) -> None:
    old = (await signing_keys.signer()).kid
    assert await signing_keys.rotate()
    assert (await signing_keys.signer()).kid == old
    published = await kids(signing_keys)
    assert published[0] == old
    assert len(published) == 2
    wall.now += LEAD + timedelta(seconds=5)
    assert (await signing_keys.signer()).kid == published[1]
    assert await kids(signing_keys) == published
    wall.now += KEPT
    assert await kids(signing_keys) == published[1:]


async def test_a_key_that_does_not_sign_yet_is_not_overtaken(signing_keys: SigningKeys) -> None:
    await signing_keys.signer()
    assert await signing_keys.rotate()
    assert not await signing_keys.rotate()
    assert len(await kids(signing_keys)) == 2


async def test_a_key_is_replaced_by_its_age(signing_keys: SigningKeys, pool: asyncpg.Pool) -> None:
    old = (await signing_keys.signer()).kid
    await pool.execute("update signing_key set published_at = published_at - $1::interval", AGE + timedelta(days=1))
    assert len(await kids(signing_keys)) == 2
    assert (await signing_keys.signer()).kid == old


async def test_a_private_key_is_sealed_under_the_master_key_and_its_own_name(
    signing_keys: SigningKeys, pool: asyncpg.Pool, keys: Path, tmp_path: Path
) -> None:
    private = (await signing_keys.signer()).as_dict(private=True)["d"]
    row = await pool.fetchrow("select * from signing_key")
    assert str(private).encode() not in row["private_key"]
    assert str(private) not in row["public_key"]
    for keyring, name in (
        (Keyring(FileMasterKey(tmp_path / "other.key")), row["kid"]),
        (Keyring(FileMasterKey(keys)), "other"),
    ):
        with pytest.raises(Unreadable):
            keyring.open_secret(row["private_key"], name)


async def test_signing_keys_are_wrapped_anew_when_the_master_key_is_rotated(
    signing_keys: SigningKeys, pool: asyncpg.Pool, keys: Path
) -> None:
    first, master = (await signing_keys.signer()).kid, FileMasterKey(keys)
    before = await pool.fetchval("select private_key from signing_key")
    master.rotate()
    assert WRAPPED in DEFINITION.wrapped
    assert await rewrap(pool, master, WRAPPED) == (1, 0)
    assert await pool.fetchval("select private_key from signing_key") != before
    assert (await SigningKeys(pool, Keyring(master)).signer()).kid == first


async def test_ops_rotate_and_nobody_else(http: httpx.AsyncClient, staff: Staff, bank: Bank) -> None:
    await staff.approved(bank)
    before = (await bank.ask()).json()["access_token"]
    assert (await staff.post("bo/city", "/v1/signing-keys:rotate")).status_code == 403
    assert (await staff.post("/ops", "/v1/signing-keys:rotate")).status_code == 403
    rotated = await staff.post("ann/ops", "/v1/signing-keys:rotate")
    assert rotated.status_code == 201
    assert [key["kid"] for key in (await http.get("/jwks")).json()["keys"]] == rotated.json()["published"]
    assert (await staff.post("ann/ops", "/v1/signing-keys:rotate")).json()["code"] == "rotation_in_progress"
    assert before


async def test_a_compromised_key_is_gone_at_once_and_what_it_signed_with_it(
    http: httpx.AsyncClient, staff: Staff, bank: Bank, application: FastAPI, pool: asyncpg.Pool, keys: Path
) -> None:
    await staff.approved(bank)
    before = (await bank.ask()).json()["access_token"]
    another = SigningKeys(pool, Keyring(FileMasterKey(keys)))
    old = (await another.signer()).kid
    assert await another.rotate(), "one that does not sign yet goes with it"
    assert len(await kids(another)) == 2
    leaked = {"at_once": True, "reason": "私钥所在主机失陷"}
    answer = await staff.post("ann/ops", "/v1/signing-keys:rotate", leaked)
    assert answer.status_code == 201, answer.text
    [new] = (await http.get("/jwks")).json()["keys"]
    assert [new["kid"]] == answer.json()["published"] == await kids(another)
    assert new["kid"] != old
    after = (await bank.ask()).json()["access_token"]
    published = KeySet.import_key_set({"keys": [new]})
    assert jwt.decode(after, published, algorithms=["Ed25519"]).claims["sub"] == bank.name
    with pytest.raises((JoseError, ValueError)):
        jwt.decode(before, published, algorithms=["Ed25519"])
    assert await pool.fetchval("select count(*) from signing_key") == 1, "the private key is gone as well"


async def test_who_withdrew_which_keys_and_why_is_on_record(
    http: httpx.AsyncClient, staff: Staff, signing_keys: SigningKeys, pool: asyncpg.Pool
) -> None:
    first = (await signing_keys.signer()).kid
    assert (await staff.post("ann/ops", "/v1/signing-keys:rotate")).status_code == 201
    published = await kids(signing_keys)
    unsaid = await staff.post("ann/ops", "/v1/signing-keys:rotate", {"at_once": True})
    assert (unsaid.status_code, unsaid.json()["errors"][0]["pointer"]) == (422, "/reason")
    assert await kids(signing_keys) == published
    await staff.post("bo/ops", "/v1/signing-keys:rotate", {"at_once": True, "reason": "私钥泄露"})
    told = await pool.fetch("select payload from event where type = 'registry.KeyRotationOrdered.v1' order by id")
    ordinary, at_once = (msgspec.json.decode(row["payload"], type=KeyRotationOrdered) for row in told)
    assert ordinary == KeyRotationOrdered("ann", None, ())
    assert at_once == KeyRotationOrdered("bo", "私钥泄露", tuple(published))
    assert published[0] == first
