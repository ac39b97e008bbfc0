"""Public keys as partners hand them in: three algorithms, points of their curves, nothing private."""

import base64
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey
from pydantic import ValidationError

from services.registry.public_keys import ED25519_P, PublicKey
from shared.web.problem import Problem, of_validation

SM2_X = "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
SM2_Y = "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
"""The public key of GB/T 32918.2, annex A."""


def encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


ED25519 = {"kty": "OKP", "crv": "Ed25519", "kid": "k1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
"""RFC 8037, appendix A.2."""
P256 = {**ECKey.generate_key("P-256").as_dict(private=False), "kid": "k1"}
SM2 = {
    "kty": "EC", "crv": "SM2", "kid": "k1",
    "x": encoded(bytes.fromhex(SM2_X)), "y": encoded(bytes.fromhex(SM2_Y)),
}  # fmt: skip


def checked(jwk: dict[str, Any]) -> PublicKey:
    return PublicKey.model_validate(jwk).checked("/public_key")


@pytest.mark.parametrize(("jwk", "algorithm"), [(ED25519, "Ed25519"), (P256, "ES256"), (SM2, "SM2")])
def test_a_key_of_the_three_algorithms_is_kept_as_it_is(jwk: dict[str, str], algorithm: str) -> None:
    key = checked(jwk)
    assert (key.algorithm, key.jwk()) == (algorithm, jwk)


def test_any_ed25519_key_is_strong() -> None:
    for _ in range(50):
        checked({**OKPKey.generate_key("Ed25519").as_dict(private=False), "kid": "k"})


def refused(jwk: dict[str, Any]) -> tuple[str, str]:
    """The pointer and code of the only complaint."""
    try:
        checked(jwk)
    except Problem as problem:
        (field,) = problem.fields
        return field.pointer, field.code
    except ValidationError as error:
        (field, *_) = of_validation([{**e, "loc": ("body", "public_key", *e["loc"])} for e in error.errors()]).fields
        return field.pointer, field.code
    raise AssertionError("accepted")


def test_a_private_key_is_refused_by_name() -> None:
    for key in (OKPKey.generate_key("Ed25519"), ECKey.generate_key("P-256")):
        assert refused({**key.as_dict(private=True), "kid": "k1"}) == ("/public_key/d", "key.private")


WEAK = [
    bytes(32),
    bytes([1]) + bytes(31),
    bytes([1]) + bytes(30) + bytes([128]),
    (ED25519_P - 1).to_bytes(32, "little"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    ED25519_P.to_bytes(32, "little"),
    (2).to_bytes(32, "little"),
]


@pytest.mark.parametrize("octets", WEAK, ids=bytes.hex)
def test_a_point_of_small_order_or_none_at_all_is_weak(octets: bytes) -> None:
    assert refused({**ED25519, "x": encoded(octets)}) == ("/public_key/x", "key.weak")


@pytest.mark.parametrize("jwk", [P256, SM2], ids=["P-256", "SM2"])
def test_a_point_beside_the_curve_is_weak(jwk: dict[str, str]) -> None:
    assert refused({**jwk, "y": jwk["x"]}) == ("/public_key/x", "key.weak")
    assert refused({**jwk, "crv": "SM2" if jwk is P256 else "P-256"}) == ("/public_key/x", "key.weak")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"kty": "RSA"}, "/public_key/kty"),
        ({"kty": "EC"}, "/public_key/kty"),
        ({"crv": "X25519"}, "/public_key/crv"),
        ({"crv": "secp256k1"}, "/public_key/crv"),
        ({"x": "AAAA"}, "/public_key/x"),
        ({"x": f"{ED25519['x']}="}, "/public_key/x"),
        ({"x": 1}, "/public_key/x"),
        ({"kid": "a b"}, "/public_key/kid"),
        ({"kid": ""}, "/public_key/kid"),
        ({"alg": "HS256"}, "/public_key/alg"),
        ({"alg": "ES256"}, "/public_key/alg"),
        ({"use": "enc"}, "/public_key/use"),
        ({"y": ED25519["x"]}, "/public_key/y"),
        ({"k": "secret"}, "/public_key/k"),
        ({"n": "AQAB"}, "/public_key/n"),
    ],
    ids=str,
)
def test_what_is_no_key_of_ours_is_refused_with_its_field(change: dict[str, Any], pointer: str) -> None:
    assert refused({**ED25519, **change})[0] == pointer
