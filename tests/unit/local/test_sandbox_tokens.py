"""The sandbox issuer and its ready tokens."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import KeySet

from deploy.local import tokens
from deploy.local.tokens import SandboxIssuer
from shared.values.districts import District


def claims_of(issuer: SandboxIssuer, token: str) -> dict[str, Any]:
    public = KeySet.import_key_set(json.loads(issuer.jwks.read_text()))
    return jwt.decode(token, public, algorithms=["Ed25519"]).claims


def test_every_name_of_the_public_surface_has_a_token(tmp_path: Path) -> None:
    names = set(SandboxIssuer(tmp_path).tokens())
    districts = {f"district:{district.value}/{part}" for district in District for part in ("reviewer", "approver")}
    assert len(districts) == 32
    assert names == districts | {
        *("app", "bank:demo-a", "bank:demo-b", "bank:demo-c", "evaluator:demo-1", "evaluator:demo-2"),
        *(f"carrier:demo-{number}" for number in range(1, 6)),
        *(f"institution:demo-{number}" for number in range(1, 17)),
        *("city", "finance/maker", "finance/releaser", "policy", "policy/approver", "auditor", "ops"),
    }


def test_a_system_is_its_own_subject_and_client(tmp_path: Path) -> None:
    issuer = SandboxIssuer(tmp_path)
    claims = claims_of(issuer, issuer.token("bank:demo-a"))
    assert claims["kind"] == "system"
    assert claims["sub"] == claims["client_id"] == "bank:demo-a"
    assert claims["roles"] == ["bank:demo-a"]
    assert (claims["iss"], claims["aud"]) == ("huchuang-sandbox", "huchuang")


@pytest.mark.parametrize("name", ["district:310115/reviewer", "city", "finance/releaser", "policy", "auditor", "ops"])
def test_who_decides_is_a_person(name: str, tmp_path: Path) -> None:
    issuer = SandboxIssuer(tmp_path)
    claims = claims_of(issuer, issuer.token(name))
    assert claims["kind"] == "person"
    assert claims["sub"].startswith("usr_")
    assert claims["roles"] == [name]


def test_the_second_person_of_a_pair_is_another_person() -> None:
    subjects = {tokens.identity(name)["sub"] for name in tokens.PERSONS}
    assert len(subjects) == len(tokens.PERSONS)


def test_a_ready_token_of_a_person_is_fresh_as_long_as_it_lives(tmp_path: Path) -> None:
    issuer = SandboxIssuer(tmp_path)
    person, system = claims_of(issuer, issuer.token("finance/releaser")), claims_of(issuer, issuer.token("app"))
    assert (person["acr"], person["auth_time"]) == ("urn:huchuang:acr:2", person["exp"])
    assert not {"acr", "auth_time"} & set(system)


def test_tokens_last_thirty_days_of_the_wall_clock(tmp_path: Path) -> None:
    issuer = SandboxIssuer(tmp_path)
    now = datetime(2031, 5, 6, tzinfo=UTC)
    claims = claims_of(issuer, issuer.token("app", now=now))
    assert claims["iat"] == int(now.timestamp())
    assert claims["exp"] - claims["iat"] == timedelta(days=30).total_seconds()


def test_no_two_tokens_are_the_same(tmp_path: Path) -> None:
    issuer = SandboxIssuer(tmp_path)
    assert issuer.token("app") != issuer.token("app")


def test_the_key_is_kept_and_private(tmp_path: Path) -> None:
    first, again = SandboxIssuer(tmp_path), SandboxIssuer(tmp_path)
    assert claims_of(again, first.token("ops"))["roles"] == ["ops"]
    assert stat.S_IMODE(first.key_file.stat().st_mode) == 0o600
    assert "d" not in json.loads(first.jwks.read_text())["keys"][0]


def test_another_stacks_tokens_are_not_believed(tmp_path: Path) -> None:
    ours, theirs = SandboxIssuer(tmp_path / "ours"), SandboxIssuer(tmp_path / "theirs")
    with pytest.raises(InvalidKeyIdError):
        claims_of(ours, theirs.token("ops"))


def test_an_unknown_name_gets_no_token(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="mayor"):
        SandboxIssuer(tmp_path).token("mayor")
