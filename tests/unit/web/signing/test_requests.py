"""A bank's signed request: nothing of it can be changed, left out, weakened or moved in time."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.web.signing.keys import Algorithm, new_key
from shared.web.signing.messages import Request, joined
from shared.web.signing.profile import Policy
from shared.web.signing.refusals import DETAILS, Refused
from shared.web.signing.requests import asked_algorithm
from tests.unit.web.signing.samples import BODY, KEYS, NOW, POLICY, accepted, plain, signed

BOTH = pytest.mark.parametrize("algorithm", ["ed25519", "sm2-sm3"])


def with_header(request: Request, name: str, value: str | None) -> Request:
    headers = {key: text for key, text in request.headers.items() if key != name}
    return request._replace(headers=headers if value is None else {**headers, name: value})


def edited(request: Request, name: str, change: Callable[[str], str]) -> Request:
    changed = change(request.headers[name])
    assert changed != request.headers[name]
    return with_header(request, name, changed)


async def refused(request: Request, body: bytes = BODY, now: float = NOW) -> str:
    with pytest.raises(Refused) as raised:
        await accepted(request, body, now)
    return raised.value.code


@BOTH
async def test_a_signed_request_is_accepted(algorithm: Algorithm) -> None:
    request = await signed(algorithm)
    found = await accepted(request)
    assert (found.keyid, found.algorithm) == (f"bank-{algorithm}", algorithm)
    assert request.headers["content-digest"].startswith("sm3=" if algorithm == "sm2-sm3" else "sha-256=")


@BOTH
async def test_a_request_without_a_body_needs_no_digest(algorithm: Algorithm) -> None:
    headers = {"host": "loans.example", "authorization": "Bearer abc"}
    request = await signed(algorithm, body=b"", method="GET", headers=headers)
    assert "content-digest" not in request.headers
    await accepted(request, b"")
    assert await refused(request, b"smuggled") == "signature_weak"


def test_every_refusal_has_one_chinese_text() -> None:
    assert len(set(DETAILS.values())) == len(DETAILS) == 7
    assert all("一" <= text[0] <= "鿿" or text.startswith("Content-Digest") for text in DETAILS.values())


# -- nothing of it can be changed ------------------------------------------------------------------------------------

COVERED = ["authorization", "content-type", "content-digest", "idempotency-key", "accept-signature"]
PARTS = ["method", "scheme", "authority", "path", "query", *COVERED, "signature", "signature-input", "body"]
VISIBLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)


@pytest.fixture(scope="module")
async def originals() -> dict[str, Request]:
    return {algorithm: await signed(algorithm) for algorithm in KEYS}  # type: ignore[arg-type]


@BOTH
@pytest.mark.parametrize("part", PARTS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
async def test_any_change_of_one_byte_is_refused(
    originals: dict[str, Request], algorithm: Algorithm, part: str, data: st.DataObject
) -> None:
    request, body = originals[algorithm], BODY
    before = BODY.decode() if part == "body" else value_of(request, part)
    at = data.draw(st.integers(0, len(before) - 1))
    byte = data.draw(VISIBLE.filter(lambda sign: sign != before[at]))
    after = before[:at] + byte + before[at + 1 :]
    if part == "body":
        body = after.encode()
    elif part in request._fields:
        change: dict[str, Any] = {part: after}
        request = request._replace(**change)
    else:
        request = with_header(request, part, after)
    if part in ("signature", "signature-input") and same_meaning(part, before, after):
        return
    with pytest.raises(Refused):
        await accepted(request, body)


def value_of(request: Request, part: str) -> str:
    return str(getattr(request, part)) if part in request._fields else request.headers[part]


def same_meaning(part: str, before: str, after: str) -> bool:
    """What is not signed in these two fields: the label, and the bits of base64 that stand for nothing."""
    if part == "signature-input":
        return False
    bits = re.compile(r"^bank=:(.*)(.)(==):$")
    one, two = bits.match(before), bits.match(after)
    return one is not None and two is not None and one[1] == two[1]


@BOTH
async def test_the_order_of_fields_does_not_matter_and_their_number_does(algorithm: Algorithm) -> None:
    request = await signed(algorithm)
    lines = list(request.headers.items())
    await accepted(request._replace(headers=joined(reversed(lines))))
    twice = joined([*lines, ("Authorization", "Bearer of.somebody.else")])
    assert await refused(request._replace(headers=twice)) == "signature_invalid"
    tripped = joined([(name.upper(), f" \t{value} ") for name, value in lines])
    await accepted(request._replace(headers=tripped))


# -- nothing can be left out -----------------------------------------------------------------------------------------


async def test_an_unsigned_request_is_told_so() -> None:
    assert await refused(plain()) == "signature_missing"
    request = await signed()
    for name in ("signature", "signature-input"):
        assert await refused(with_header(request, name, None)) == "signature_missing"
    other = edited(request, "signature-input", lambda text: text.replace("huchuang-bank", "something-else"))
    assert await refused(other) == "signature_missing"


@pytest.mark.parametrize("component", ["@method", "@target-uri", "authorization", "content-type", "content-digest",
                                       "idempotency-key", "accept-signature"])  # fmt: skip
async def test_a_signature_that_leaves_out_what_it_must_cover_is_weak(component: str) -> None:
    weakened = edited(await signed(), "signature-input", lambda text: text.replace(f'"{component}" ', "").replace(
        f' "{component}")', ")"))  # fmt: skip
    assert await refused(weakened) == "signature_weak"


@pytest.mark.parametrize("parameter", ["created", "expires", "nonce", "keyid", "alg"])
async def test_a_signature_without_a_parameter_is_weak(parameter: str) -> None:
    def without(text: str) -> str:
        return re.sub(rf';{parameter}=("[^"]*"|\d+)', "", text)

    assert await refused(edited(await signed(), "signature-input", without)) == "signature_weak"


@pytest.mark.parametrize("alg", ["hmac-sha256", "rsa-v1_5-sha256", "none", "Ed25519", ""])
async def test_an_algorithm_that_is_none_of_ours_is_weak(alg: str) -> None:
    request = edited(await signed(), "signature-input", lambda text: text.replace('alg="ed25519"', f'alg="{alg}"'))
    assert await refused(request) == "signature_weak"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (";tag=", ";extra=1;tag="),
        ('nonce="', 'nonce="' + "x" * 200),
        ('("@method"', '("@method" "@method"'),
        ('("@method"', '("@method" "x-not-there"'),
        ('("@method"', '("@method" "@status"'),
        ('("@method"', '("@method";req'),
        ('("@method"', '("@method" "content-type";sf'),
        ('("@method"', '("@method" "@query-param";name="a"'),
        ('("@method"', '("@METHOD"'),
        ("bank=(", "bank=1, bank=("),
        ("bank=(", 'twin=("@method");tag="huchuang-bank", bank=('),
        ("bank=(", "=("),
        ("bank=(", "other=("),
        (";created=", ';created="', ),
        (";created=1795000000", ";created=1795000000.5"),
        (";created=1795000000", ";created=-5"),
    ],
)  # fmt: skip
async def test_what_is_out_of_shape_is_refused(old: str, new: str) -> None:
    request = edited(await signed(), "signature-input", lambda text: text.replace(old, new, 1))
    assert await refused(request) in ("signature_invalid", "signature_weak")


async def test_a_short_nonce_is_refused() -> None:
    request = edited(await signed(), "signature-input", lambda text: re.sub('nonce="[^"]*"', 'nonce="short"', text))
    assert await refused(request) == "signature_invalid"


# -- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(-31, "signature_expired"), (-30, None), (0, None), (150, None), (151, "signature_expired")],
)
async def test_a_signature_lives_from_created_to_expires_give_or_take_the_skew(seconds: int, code: str | None) -> None:
    request = await signed(policy=Policy(lifetime=120))
    if code is None:
        await accepted(request, now=NOW + seconds)
    else:
        assert await refused(request, now=NOW + seconds) == code


@pytest.mark.parametrize("lifetime", [301, 10**6, 0, -10])
async def test_a_window_of_more_than_five_minutes_or_none_is_weak(lifetime: int) -> None:
    assert await refused(await signed(policy=Policy(lifetime=lifetime))) == "signature_weak"
    await accepted(await signed(policy=Policy(lifetime=300)))


# -- keys and digests ------------------------------------------------------------------------------------------------


@BOTH
async def test_another_key_does_not_verify(algorithm: Algorithm) -> None:
    with pytest.raises(Refused, match="signature_invalid"):
        await accepted(await signed(algorithm), key=new_key(algorithm, f"bank-{algorithm}").public)


async def test_a_wrong_body_is_a_wrong_digest_before_anything_is_verified() -> None:
    assert await refused(await signed(), b"{}") == "digest_mismatch"
    assert await refused(await signed("sm2-sm3"), b"{}") == "digest_mismatch"


# -- what the answer is asked to be signed with ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        (None, "ed25519"),
        ('a=("@status");alg="sm2-sm3"', "sm2-sm3"),
        ('a=("@status");alg="sm2-sm3";tag="huchuang-bank"', "sm2-sm3"),
        ('a=("@status");alg="sm2-sm3";tag="other"', "ed25519"),
        ('a=("@status");tag="huchuang-bank"', "ed25519"),
    ],
)
def test_the_answer_is_signed_as_was_asked(field: str | None, asked: str) -> None:
    request = plain() if field is None else with_header(plain(), "accept-signature", field)
    assert asked_algorithm(request, "ed25519") == asked


def test_an_answer_cannot_be_asked_for_with_a_weaker_algorithm() -> None:
    with pytest.raises(Refused, match="signature_weak"):
        asked_algorithm(with_header(plain(), "accept-signature", 'a=();alg="hmac-sha256"'), "ed25519")


def test_the_policy_is_as_agreed() -> None:
    assert (POLICY.window, POLICY.skew) == (300, 30)
