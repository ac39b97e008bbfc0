"""Signed exchange between banks and loans, over HTTP, on a real database, with keys from registry's events."""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import msgspec
import pytest

from services.loans.intake import partner_keys
from shared.web.signing.client import Untrusted, seen_request
from shared.web.signing.keys import new_key
from shared.web.signing.nonces import Nonce, NonceBook
from shared.web.signing.profile import Policy
from shared.web.signing.requests import sign_request
from shared.web.signing.scribe import PlainHand
from tests.integration.loans.conftest import BASE, Bank, Loans, Registry, Start

BOTH = pytest.mark.parametrize("which", ["a", "c"])


async def prepared(
    bank: Bank, *, policy: Policy | None = None, now: float | None = None, **changes: Any
) -> httpx.Request:
    """A signed request to send as often as one likes."""
    options: dict[str, Any] = {"method": "POST", "url": f"{BASE}/v1/whitelist/check", "json": bank.question, **changes}
    request = httpx.Request(**{**options, "headers": {**bank.bearer, **options.get("headers", {})}})
    body = request.read()
    added = await sign_request(
        seen_request(request), body, bank.key, PlainHand(), policy or Policy(), now or time.time()
    )
    request.headers.update(added)
    return request


def code(response: httpx.Response) -> str | None:
    return None if response.status_code == 200 else response.json()["code"]


async def sent(loans: Loans, request: httpx.Request) -> str | None:
    """The code with which a request is refused, None when it is let through."""
    response = await loans.http.send(request)
    assert response.status_code in (200, 401), response.text
    return code(response)


# -- both ways -------------------------------------------------------------------------------------------------------


@BOTH
async def test_a_bank_asks_and_believes_the_answer(loans: Loans, banks: dict[str, Bank], which: str) -> None:
    bank = banks[which]
    answer = await bank.check(loans)
    assert answer.json()["listed"] is True
    assert f'alg="{bank.key.public.algorithm}"' in answer.headers["signature-input"]
    assert '"signature";req;key="bank"' in answer.headers["signature-input"]


async def test_each_route_for_banks_is_signed(loans: Loans, banks: dict[str, Bank]) -> None:
    bank = banks["a"]
    for path in ("/v1/whitelist/changes?since=0", "/v1/whitelist/entries?limit=5", "/v1/whitelist/entries"):
        answer = await loans.http.get(path, headers=bank.bearer, auth=loans.signing(bank.key))
        assert answer.status_code == 200
        bare = await loans.http.get(path, headers=bank.bearer)
        assert (bare.status_code, code(bare)) == (401, "signature_missing")
        assert bare.headers["content-type"] == "application/problem+json"


async def test_problems_are_signed_too(loans: Loans, banks: dict[str, Bank]) -> None:
    bank, auth = banks["a"], loans.signing(banks["a"].key)
    missing = "/v1/whitelist/entries/wle_01900000-0000-7000-8000-000000000000"
    absent = await loans.http.get(missing, headers=bank.bearer, auth=auth)
    invalid = await loans.http.post("/v1/whitelist/check", json={"x": 1}, headers=bank.bearer, auth=auth)
    assert (absent.status_code, invalid.status_code) == (404, 422)


async def test_staff_and_carriers_are_not_asked_to_sign(loans: Loans) -> None:
    for role in ("carrier:demo-1", "district:310115/reviewer", "auditor"):
        answer = await loans.http.get("/v1/whitelist/entries", headers={"authorization": f"Bearer {role}"})
        assert answer.status_code == 200
        assert "signature" not in answer.headers


async def test_an_answer_is_signed_in_the_algorithm_that_was_asked_for(loans: Loans, banks: dict[str, Bank]) -> None:
    request = httpx.Request("POST", f"{BASE}/v1/whitelist/check", json=banks["a"].question, headers=banks["a"].bearer)
    body = request.read()
    seen = seen_request(request)
    asked = 'bank=("@status");alg="sm2-sm3";tag="huchuang-bank"'

    class Asks(PlainHand):
        """Signs over another `Accept-Signature` than `sign_request` writes."""

        async def sign(self, key: Any, message: bytes) -> bytes:
            lines = [
                f'"accept-signature": {asked}' if line.startswith('"accept-signature"') else line
                for line in message.decode().split("\n")
            ]
            return await super().sign(key, "\n".join(lines).encode())

    added = await sign_request(seen, body, banks["a"].key, Asks(), Policy(), time.time())
    request.headers.update({**added, "accept-signature": asked})
    answer = await loans.http.send(request)
    assert answer.status_code == 200
    assert 'alg="sm2-sm3"' in answer.headers["signature-input"]
    assert answer.headers["content-digest"].startswith("sm3=")


# -- keys ------------------------------------------------------------------------------------------------------------


async def test_only_the_banks_own_keys_verify(loans: Loans, banks: dict[str, Bank]) -> None:
    stolen = Bank(banks["a"].client, banks["c"].key)
    assert await sent(loans, await prepared(stolen)) == "signature_key_unknown"
    forged = Bank(banks["a"].client, new_key("ed25519", banks["a"].key.public.kid))
    assert await sent(loans, await prepared(forged)) == "signature_invalid"
    stranger = Bank("bank:nobody", banks["a"].key)
    assert await sent(loans, await prepared(stranger)) == "signature_key_unknown"


async def test_a_token_moved_to_another_banks_message_is_refused(loans: Loans, banks: dict[str, Bank]) -> None:
    request = await prepared(banks["c"])
    request.headers["authorization"] = f"Bearer {banks['a'].client}"
    assert await sent(loans, request) == "signature_key_unknown"


async def test_an_sm2_key_cannot_be_used_as_another_algorithm(loans: Loans, banks: dict[str, Bank]) -> None:
    request = await prepared(banks["c"])
    request.headers["signature-input"] = request.headers["signature-input"].replace("sm2-sm3", "ed25519")
    assert await sent(loans, request) == "signature_weak"


async def test_keys_overlap_while_one_replaces_another(
    loans: Loans, banks: dict[str, Bank], registry: Registry
) -> None:
    old, new = banks["a"], Bank(banks["a"].client, new_key("sm2-sm3", "demo-a-2"))
    assert await sent(loans, await prepared(new)) == "signature_key_unknown"
    await registry.approve(new.client, new.key)
    assert await sent(loans, await prepared(old)) is None
    assert await sent(loans, await prepared(new)) is None
    await registry.tell("ClientKeyRevoked", client=old.client, kid=old.key.public.kid, revoked_by="usr_1")
    assert await sent(loans, await prepared(old)) == "signature_key_unknown"
    assert await sent(loans, await prepared(new)) is None


async def test_a_suspended_bank_is_not_heard_until_it_is_resumed(
    loans: Loans, banks: dict[str, Bank], registry: Registry
) -> None:
    bank = banks["a"]
    await registry.tell("ClientSuspended", client=bank.client, by="usr_1", reason="核查")
    assert await sent(loans, await prepared(bank)) == "signature_key_unknown"
    assert await sent(loans, await prepared(banks["c"])) is None
    await registry.tell("ClientResumed", client=bank.client, by="usr_1")
    assert await sent(loans, await prepared(bank)) is None


async def test_a_key_for_tokens_signs_no_messages(loans: Loans, registry: Registry) -> None:
    bank = Bank("bank:demo-b", new_key("ed25519", "demo-b-token"))
    await registry.approve(bank.client, bank.key, use="token")
    assert await sent(loans, await prepared(bank)) == "signature_key_unknown"


async def test_an_approved_key_that_is_no_key_is_unknown(loans: Loans, registry: Registry) -> None:
    bank = Bank("bank:demo-b", new_key("ed25519", "odd"))
    for odd in ({"kty": "RSA"}, {"kty": "EC", "crv": "SM2", "x": "AA", "y": "AA"}, {"kty": "OKP", "crv": "Ed25519"}):
        await registry.tell(
            "ClientKeyApproved", client=bank.client, kid="odd", use="signature", algorithm="SM2", public_key=odd,
            approved_by="usr_1",
        )  # fmt: skip
        assert await sent(loans, await prepared(bank)) == "signature_key_unknown"


# -- keys that registry has approved and not yet told --------------------------------------------------------------


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Forgets at once what registry answered, when called."""
    return lambda: monkeypatch.setattr(partner_keys, "KEPT_SECONDS", -1.0)


@BOTH
async def test_a_key_that_has_not_arrived_yet_is_asked_for_once_and_believed(
    loans: Loans, banks: dict[str, Bank], which: str
) -> None:
    bank = Bank(banks[which].client, new_key(banks[which].key.public.algorithm, "brand-new"))
    loans.owner.keys[bank.client] = [bank.key]
    requests = [await prepared(bank) for _ in range(8)]
    assert await asyncio.gather(*(sent(loans, request) for request in requests)) == [None] * 8
    assert loans.owner.asked == [f"/v1/client-keys/{quote(bank.client, safe='')}"]


async def test_while_registry_is_away_a_key_is_not_called_unknown(loans: Loans, banks: dict[str, Bank]) -> None:
    loans.owner.away = True
    stranger = Bank(banks["a"].client, new_key("ed25519", "brand-new"))
    answer = await loans.http.send(await prepared(stranger))
    assert (answer.status_code, code(answer)) == (503, "owner_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert await sent(loans, await prepared(banks["a"])) is None


async def test_a_registry_that_never_answers_is_waited_for_within_bounds(
    loans: Loans, banks: dict[str, Bank], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(service: str, path: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(partner_keys, "PATIENCE", 0.05)
    monkeypatch.setattr(loans.owner, "get", silent)
    stranger = Bank(banks["a"].client, new_key("ed25519", "brand-new"))
    assert (await loans.http.send(await prepared(stranger))).status_code == 503


async def test_made_up_key_ids_do_not_make_registry_busy(loans: Loans, banks: dict[str, Bank]) -> None:
    for number in range(20):
        made_up = Bank(banks["a"].client, new_key("ed25519", f"made-up-{number}"))
        assert await sent(loans, await prepared(made_up)) == "signature_key_unknown"
    assert len(loans.owner.asked) == 1


async def test_an_answer_of_registry_is_kept_for_a_moment_only(
    loans: Loans, banks: dict[str, Bank], patient: Callable[[], None]
) -> None:
    patient()
    bank = Bank(banks["a"].client, new_key("ed25519", "brand-new"))
    assert await sent(loans, await prepared(bank)) == "signature_key_unknown"
    loans.owner.keys[bank.client] = [bank.key]
    assert await sent(loans, await prepared(bank)) is None
    loans.owner.keys[bank.client] = []
    assert await sent(loans, await prepared(bank)) == "signature_key_unknown"


# -- time, digest, replay --------------------------------------------------------------------------------------------


@BOTH
async def test_a_request_is_accepted_once(loans: Loans, banks: dict[str, Bank], which: str) -> None:
    request = await prepared(banks[which])
    assert await sent(loans, request) is None
    assert await sent(loans, request) == "signature_replayed"


@BOTH
async def test_of_twenty_identical_requests_at_once_one_passes(
    start: Start, banks: dict[str, Bank], which: str
) -> None:
    """Half of them at each of two processes."""
    one, two = await start(), await start()
    request = await prepared(banks[which])
    codes = await asyncio.gather(*(sent(process, request) for process in (one, two) for _ in range(10)))
    assert sorted(map(str, codes)) == ["None"] + ["signature_replayed"] * 19


async def test_a_replay_is_refused_after_a_restart(start: Start, banks: dict[str, Bank]) -> None:
    request = await prepared(banks["a"])
    assert await sent(await start(), request) is None
    assert await sent(await start(), request) == "signature_replayed"


async def test_a_refused_request_does_not_use_up_its_nonce(loans: Loans, banks: dict[str, Bank]) -> None:
    request = await prepared(banks["a"])
    right = request.headers["signature"]
    request.headers["signature"] = (await prepared(banks["a"])).headers["signature"]
    assert await sent(loans, request) == "signature_invalid"
    request.headers["signature"] = right
    assert await sent(loans, request) is None


async def test_the_same_nonce_of_two_banks_is_no_replay(loans_pool: asyncpg.Pool) -> None:
    book = NonceBook(loans_pool)
    asked = [Nonce("a/1", "n", 9), Nonce("b/1", "n", 9), Nonce("a/1", "n", 9), Nonce("a/2", "n", 9)]
    assert await book._use(asked) == [True, True, False, True]
    assert await book._use(asked) == [False] * 4


async def test_nonces_are_forgotten_when_their_time_is_over_and_not_before(loans_pool: asyncpg.Pool) -> None:
    book = NonceBook(loans_pool)
    now = int(time.time())
    await book._use([Nonce("k", "over", now - 700), Nonce("k", "just over", now - 5), Nonce("k", "current", now + 300)])
    assert await book.sweep() == 1
    left = await loans_pool.fetch("select nonce from used_nonce order by nonce")
    assert [row["nonce"] for row in left] == ["current", "just over"]


async def test_expired_and_not_yet_valid_requests_are_refused(loans: Loans, banks: dict[str, Bank]) -> None:
    for shift in (-200, +60):
        request = await prepared(banks["a"], now=time.time() + shift)
        assert await sent(loans, request) == "signature_expired"
    strict = await prepared(banks["a"], policy=Policy(lifetime=3600))
    assert await sent(loans, strict) == "signature_weak"


async def test_another_body_query_or_path_is_refused(loans: Loans, banks: dict[str, Bank]) -> None:
    bank = banks["a"]
    request = await prepared(bank)
    other = httpx.Request("POST", request.url, content=b'{"person_id":1}', headers=request.headers)
    other.headers["content-length"] = "15"
    assert await sent(loans, other) == "digest_mismatch"
    listing = await prepared(bank, method="GET", url=f"{BASE}/v1/whitelist/changes?since=5", json=None)
    moved = httpx.Request("GET", f"{BASE}/v1/whitelist/changes?since=0", headers=listing.headers)
    assert await sent(loans, moved) == "signature_invalid"
    elsewhere = httpx.Request("GET", f"{BASE}/v1/whitelist/entries?since=5", headers=listing.headers)
    assert await sent(loans, elsewhere) == "signature_invalid"


# -- what a bank believes --------------------------------------------------------------------------------------------


Trick = Callable[[httpx.Response, httpx.Response], httpx.Response]


def _swap(earlier: httpx.Response, _: httpx.Response) -> httpx.Response:
    return earlier


def _strip(_: httpx.Response, real: httpx.Response) -> httpx.Response:
    headers = {name: value for name, value in real.headers.items() if not name.startswith("signature")}
    return httpx.Response(real.status_code, headers=headers, content=real.content)


def _change(_: httpx.Response, real: httpx.Response) -> httpx.Response:
    return httpx.Response(real.status_code, headers=real.headers, content=real.content.replace(b"true", b"null"))


@pytest.mark.parametrize(
    ("trick", "code"), [(_swap, "signature_invalid"), (_strip, "signature_missing"), (_change, "digest_mismatch")]
)
async def test_a_bank_believes_no_swapped_unsigned_or_changed_answer(
    loans: Loans, banks: dict[str, Bank], trick: Trick, code: str
) -> None:
    bank, auth = banks["a"], loans.signing(banks["a"].key)
    earlier = await bank.check(loans)

    async def between(request: httpx.Request) -> httpx.Response:
        content = await request.aread()
        passed = httpx.Request(request.method, request.url, headers=request.headers, content=content)
        return trick(earlier, await loans.http.send(passed))

    async with httpx.AsyncClient(transport=httpx.MockTransport(between), base_url=BASE) as http:
        with pytest.raises(Untrusted) as raised:
            await http.post("/v1/whitelist/check", json=bank.question, headers=bank.bearer, auth=auth)
    assert raised.value.code == code


async def test_compromised_keys_of_ours_are_replaced_at_once_on_record(
    start: Start, banks: dict[str, Bank], loans_pool: asyncpg.Pool
) -> None:
    one, two = await start(), await start()
    bank = banks["a"]
    old = {key["kid"] for key in (await two.http.get("/v1/signing-keys")).json()["keys"]}
    path = "/v1/signing-keys:rotate"
    leaked = {"at_once": True, "reason": "私钥泄露"}
    assert (await one.http.post(path, json=leaked, headers={"authorization": "Bearer city"})).status_code == 403
    answer = await one.http.post(path, json=leaked, headers={"authorization": "Bearer ops"})
    assert answer.status_code == 201, answer.text
    shown = {key["kid"] for key in (await two.http.get("/v1/signing-keys")).json()["keys"]}
    assert shown == set(answer.json()["published"])
    assert shown.isdisjoint(old)
    assert (await bank.check(one)).status_code == 200
    [payload] = await loans_pool.fetch("select payload from event where type = 'loans.KeyRotationOrdered.v1'")
    told = msgspec.json.decode(payload["payload"])
    assert (told["reason"], set(told["withdrawn"])) == ("私钥泄露", old)


async def test_our_keys_are_replaced_with_overlap_when_it_is_asked_for(loans: Loans, banks: dict[str, Bank]) -> None:
    before = (await loans.http.get("/v1/signing-keys")).json()["keys"]
    path, ops = "/v1/signing-keys:rotate", {"authorization": "Bearer ops"}
    answer = await loans.http.post(path, headers=ops)
    assert (answer.status_code, len(answer.json()["published"])) == (201, 4)
    assert {key["kid"] for key in before} < set(answer.json()["published"])
    assert (await loans.http.post(path, headers=ops)).json()["code"] == "rotation_in_progress"
    assert (await banks["a"].check(loans)).status_code == 200
