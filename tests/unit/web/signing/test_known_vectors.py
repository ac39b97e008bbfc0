"""Published vectors, and another implementation: what we compute is what the standards say."""

from base64 import b64decode, urlsafe_b64encode
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, MappingKeyResolver
from http_message_signatures.algorithms import ED25519
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.web.signing.digests import check_digest, content_digest, sm3
from shared.web.signing.keys import PrivateKey, PublicKey, public_key, sign_ed25519, sm2_digest, verify_ed25519
from shared.web.signing.messages import Component, Request, signature_base
from shared.web.signing.profile import TAG, claimed
from shared.web.signing.refusals import Refused
from shared.web.signing.sm2 import sm2_sign_here, sm2_verify_here
from tests.unit.web.signing.samples import BODY, KEYS, NOW, POLICY, signed

# -- RFC 9421 appendix B.2.6: Ed25519 --------------------------------------------------------------------------------

SEED = b64decode("MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF")[-32:]
POINT = b64decode("MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=")[-32:]
B26 = Request(
    "POST",
    "https",
    "example.com",
    "/foo",
    "param=Value&Pet=dog",
    {
        "host": "example.com",
        "date": "Tue, 20 Apr 2021 02:07:55 GMT",
        "content-type": "application/json",
        "content-length": "18",
    },
)
B26_COVERED: list[Component] = [
    (n, {}) for n in ("date", "@method", "@path", "@authority", "content-type", "content-length")
]
B26_BASE = b'''"date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@authority": example.com
"content-type": application/json
"content-length": 18
"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length")\
;created=1618884473;keyid="test-key-ed25519"'''
B26_SIGNATURE = b64decode("wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==")


def test_rfc_9421_b_2_6_base_and_signature() -> None:
    base = signature_base(B26, B26_COVERED, {"created": 1618884473, "keyid": "test-key-ed25519"})
    assert base == B26_BASE
    key = PrivateKey(PublicKey("test-key-ed25519", "ed25519", POINT), SEED)
    assert sign_ed25519(key, base) == B26_SIGNATURE
    assert verify_ed25519(key.public, base, B26_SIGNATURE)
    assert not verify_ed25519(key.public, base + b" ", B26_SIGNATURE)


# -- RFC 9530 --------------------------------------------------------------------------------------------------------

HELLO = b'{"hello": "world"}\n'


async def test_rfc_9530_example_of_sha_256() -> None:
    assert await content_digest(HELLO) == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    await check_digest("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:", HELLO)
    with pytest.raises(Refused, match="digest_mismatch"):
        await check_digest("sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:", HELLO + b" ")


async def test_sm3_is_that_of_gb_t_32905_appendix_a() -> None:
    assert sm3(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert await content_digest(b"abc", "sm3") == "sm3=:Zsfw9GLu7dnR8tRr3BDk4kFnxIdc8veiKX2gK49LqOA=:"


@pytest.mark.parametrize("body", [b"", b"x" * 100_000])
async def test_digests_of_empty_and_of_long_bodies(body: bytes) -> None:
    for algorithm in ("sha-256", "sm3"):
        await check_digest(await content_digest(body, algorithm), body)


async def test_digests_that_we_do_not_know_are_passed_over_but_one_must_be_known() -> None:
    right = await content_digest(HELLO)
    await check_digest(f"md5=:AAAA:, {right}, {await content_digest(HELLO, 'sm3')}", HELLO)
    with pytest.raises(Refused, match="signature_weak"):
        await check_digest("md5=:AAAA:", HELLO)
    for wrong in (f"{right}, sm3=:AAAA:", "sha-256=text", "sha-256=(1 2)", f"{right}, {right}", "=", "sha-256=:AAAA:"):
        with pytest.raises(Refused, match="digest_mismatch"):
            await check_digest(wrong, HELLO)


# -- GB/T 32918.5-2017 appendix A: SM2 on the recommended curve ------------------------------------------------------

SM2_PRIVATE = bytes.fromhex("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8")
SM2_X = bytes.fromhex("09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020")
SM2_Y = bytes.fromhex("CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13")
SM2_E = "f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640"
SM2_R = bytes.fromhex("F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3")
SM2_S = bytes.fromhex("B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA")


def _text(number: bytes) -> str:
    return urlsafe_b64encode(number).rstrip(b"=").decode()


def test_gb_t_32918_example_with_the_default_user_id() -> None:
    key = public_key({"kty": "EC", "crv": "SM2", "x": _text(SM2_X), "y": _text(SM2_Y), "kid": "gm"})
    digest = sm2_digest(key, b"message digest")
    assert digest.hex() == SM2_E
    assert sm2_verify_here(key.raw, digest, SM2_R + SM2_S)
    assert not sm2_verify_here(key.raw, digest, SM2_S + SM2_R)
    assert sm2_verify_here(key.raw, digest, sm2_sign_here(SM2_PRIVATE, digest))


# -- another implementation of RFC 9421 ------------------------------------------------------------------------------


class Wire:
    """A request as `http-message-signatures` wants it."""

    def __init__(self, request: Request) -> None:
        query = f"?{request.query}" if request.query else ""
        self.method, self.headers = request.method, dict(request.headers)
        self.url = f"{request.scheme}://{request.authority}{request.path}{query}"


KNOWN = Ed25519PublicKey.from_public_bytes(KEYS["ed25519"].public.raw)
PRIVATE = Ed25519PrivateKey.from_private_bytes(KEYS["ed25519"].raw)
RESOLVER = MappingKeyResolver(public_keys={"bank-ed25519": KNOWN}, private_keys={"bank-ed25519": PRIVATE})


async def test_what_we_sign_another_implementation_verifies() -> None:
    request = await signed(now=datetime.now(UTC).timestamp())
    verifier = HTTPMessageVerifier(signature_algorithm=ED25519, key_resolver=RESOLVER)
    [result] = verifier.verify(Wire(request), expect_tag=TAG, body=BODY)
    assert result.body == BODY


FIELD = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)
PATH = st.text(st.sampled_from("abz019-._~/:@!$&'()*+,;="), max_size=20).map(lambda text: f"/{text.lstrip('/')}")
QUERY = st.text(st.sampled_from("abz019-._~/:@!$&'()*+,;=?"), max_size=20)


@given(
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    authority=st.sampled_from(["Loans.Example", "loans.example:8443", "127.0.0.1:8104", "loans.example:443"]),
    path=PATH,
    query=QUERY,
    fields=st.dictionaries(st.sampled_from(["x-a", "content-type", "authorization"]), FIELD, min_size=1),
    nonce=FIELD,
)
@settings(max_examples=150, deadline=None)
def test_our_signature_base_is_that_of_another_implementation(
    method: str, authority: str, path: str, query: str, fields: dict[str, str], nonce: str
) -> None:
    fields = {name: value.strip() for name, value in fields.items()}
    request = Request(method, "https", authority, path, query, fields)
    names = ["@method", "@authority", "@target-uri", "@path", "@query", "@scheme", *fields]
    theirs = HTTPMessageSigner(signature_algorithm=ED25519).prepare(
        Wire(request), key_id="k", created=datetime.fromtimestamp(NOW, UTC), nonce=nonce, tag=TAG,
        expires=datetime.fromtimestamp(NOW + 60, UTC), covered_component_ids=names,
    )  # fmt: skip
    parameters = {"created": NOW, "keyid": "k", "alg": "ed25519", "expires": NOW + 60, "nonce": nonce, "tag": TAG}
    assert signature_base(request, [(name, {}) for name in names], parameters) == theirs.signature_base


async def test_what_another_implementation_signs_we_accept() -> None:
    request = (await signed())._replace(headers={k: v for k, v in (await signed()).headers.items() if "sign" not in k})
    wire = Wire(request)
    HTTPMessageSigner(signature_algorithm=ED25519, key_resolver=RESOLVER).sign(
        wire, key_id="bank-ed25519", created=datetime.fromtimestamp(NOW, UTC), nonce="n" * 22, tag=TAG,
        expires=datetime.fromtimestamp(NOW + 60, UTC), label="theirs", body=BODY, use_existing_digest=True,
        covered_component_ids=("@method", "@target-uri", "authorization", "content-type", "content-digest",
                               "idempotency-key"),
    )  # fmt: skip
    headers = {name.lower(): value for name, value in wire.headers.items()}
    signed_by_them = request._replace(headers=headers)
    found = claimed(signed_by_them, frozenset(), POLICY, NOW)
    assert verify_ed25519(KEYS["ed25519"].public, found.base(signed_by_them), found.signature)
