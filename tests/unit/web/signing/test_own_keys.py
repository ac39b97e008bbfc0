"""Our own signing keys: made once, kept, replaced with overlap, and published before they sign."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from shared.web.signing.client import KEPT, PublishedKeys
from shared.web.signing.keys import ALGORITHMS, UnusableKey, new_key, private_jwk, private_key, public_jwk, public_key
from shared.web.signing.own_keys import AHEAD_DAYS, DAY, OVERLAP_DAYS, VALID_DAYS, NoKeyNow, OwnKeys

NOW = 1_795_000_000


class Clock:
    def __init__(self) -> None:
        self.now: float = NOW

    def __call__(self) -> float:
        return self.now


def test_keys_are_made_once_and_kept(tmp_path: Path) -> None:
    first, again = OwnKeys(tmp_path, "loans"), OwnKeys(tmp_path, "loans")
    for algorithm in ("ed25519", "sm2-sm3"):
        assert first.signing(algorithm) == again.signing(algorithm)
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_processes_that_start_at_once_have_the_same_keys(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, json; from shared.web.signing.own_keys import OwnKeys;"
        "print(json.dumps([key['kid'] for key in OwnKeys(pathlib.Path(sys.argv[1]), 'loans').published()]))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) for _ in range(4)
    ]
    told = {process.communicate()[0] for process in started}
    assert len(told) == 1
    assert json.loads(told.pop()) == [key["kid"] for key in OwnKeys(tmp_path, "loans").published()]


def test_a_key_is_replaced_with_overlap_and_shown_before_it_signs(tmp_path: Path) -> None:
    clock = Clock()
    keys = OwnKeys(tmp_path, "loans", clock)
    first = keys.signing("ed25519")
    clock.now = NOW + (VALID_DAYS - OVERLAP_DAYS) * DAY
    keys.refresh()
    assert next(key["kid"] for key in keys.published() if key["crv"] == "Ed25519") == first.public.kid
    assert len(keys.published()) == 4
    assert keys.signing("ed25519") == first
    clock.now += AHEAD_DAYS * DAY
    second = keys.signing("ed25519")
    assert second != first
    assert len(keys.published()) == 4
    clock.now = NOW + VALID_DAYS * DAY
    keys.refresh()
    kids = [key["kid"] for key in keys.published() if key["crv"] == "Ed25519"]
    assert kids == [first.public.kid, second.public.kid], "what the first one signed can be verified ever after"
    assert OwnKeys(tmp_path, "loans", clock).signing("ed25519") == second


def test_first_keys_that_a_clock_made_that_was_ahead_sign_when_it_is_put_right(tmp_path: Path) -> None:
    clock = Clock()
    keys = OwnKeys(tmp_path, "loans", clock)
    made = keys.signing("ed25519")
    clock.now = NOW - DAY
    assert keys.signing("ed25519") == made
    clock.now -= 1
    with pytest.raises(NoKeyNow):
        keys.signing("ed25519")


def test_a_service_that_slept_past_all_its_keys_makes_one_that_signs_at_once(tmp_path: Path) -> None:
    clock = Clock()
    OwnKeys(tmp_path, "loans", clock)
    clock.now += 10 * VALID_DAYS * DAY
    keys = OwnKeys(tmp_path, "loans", clock)
    assert len(keys.published()) == 4, "what the slept-over ones signed can still be verified"
    newest = {str(key["kid"]) for key in keys.published()[1::2]}
    assert {keys.signing("ed25519").public.kid, keys.signing("sm2-sm3").public.kid} == newest
    OwnKeys(tmp_path, "loans", clock).signing("sm2-sm3")


def test_withdrawn_keys_are_published_and_sign_no_more_anywhere(tmp_path: Path) -> None:
    clock = Clock()
    here, elsewhere = OwnKeys(tmp_path, "loans", clock), OwnKeys(tmp_path, "loans", clock)
    old = [here.signing(algorithm) for algorithm in ALGORITHMS]
    here.rotate()
    assert here.in_progress
    before = {key["kid"] for key in here.published()}
    assert len(before) == 4
    clock.now += 60
    here.withdraw()
    elsewhere.refresh()
    for keys in (here, elsewhere, OwnKeys(tmp_path, "loans", clock)):
        assert before.isdisjoint(key["kid"] for key in keys.published())
        assert [keys.signing(algorithm) for algorithm in ALGORITHMS] == [here.signing(a) for a in ALGORITHMS]
        assert not keys.in_progress
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert not any(key.raw in file.read_bytes() or private_jwk(key)["d"] in file.read_text() for key in old)
    clock.now += (VALID_DAYS - OVERLAP_DAYS) * DAY
    here.refresh()
    assert len(here.published()) == 4, "their successors are replaced with overlap as ever"


async def test_a_partner_believes_a_withdrawn_key_no_longer_than_it_keeps_what_is_published(tmp_path: Path) -> None:
    clock = Clock()
    keys = OwnKeys(tmp_path, "loans", clock)

    async def fetch(url: str) -> object:
        return {"keys": keys.published()}

    known, old = PublishedKeys("/v1/signing-keys", fetch, clock), keys.signing("ed25519").public
    assert await known(old.kid) == old
    clock.now += 1
    keys.withdraw()
    clock.now += KEPT
    assert await known(old.kid) is None
    assert await known(keys.signing("ed25519").public.kid) == keys.signing("ed25519").public


def test_what_is_published_is_public(tmp_path: Path) -> None:
    keys = OwnKeys(tmp_path, "loans")
    for shown in keys.published():
        assert "d" not in shown
        assert shown["exp"] - shown["nbf"] == VALID_DAYS * DAY  # type: ignore[operator]
        assert public_key(shown) == keys.signing(shown["http_signature_algorithm"]).public  # type: ignore[arg-type]


@pytest.mark.parametrize("algorithm", ["ed25519", "sm2-sm3"])
def test_keys_are_read_as_they_were_written(algorithm: str) -> None:
    key = new_key(algorithm, "k")  # type: ignore[arg-type]
    assert private_key(private_jwk(key)) == key
    assert public_key(public_jwk(key.public), "other").kid == "other"
    assert "d" not in public_jwk(key.public)
    assert key.raw.hex() not in repr(key)


def test_what_is_no_key_of_ours_is_unusable() -> None:
    point = public_jwk(new_key("sm2-sm3", "k").public)
    for odd in (
        {},
        {**point, "crv": "P-256"},
        {**point, "x": point["y"]},
        {**point, "x": "AA"},
        {**point, "x": "*" * 43},
        {key: value for key, value in point.items() if key != "y"},
    ):
        with pytest.raises(UnusableKey):
            public_key(odd)
