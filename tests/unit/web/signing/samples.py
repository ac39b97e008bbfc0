"""Signed messages to bend: a bank's request, our answer, and both sides' keys."""

from typing import Any

from shared.web.signing.keys import Algorithm, PublicKey, new_key
from shared.web.signing.messages import Request, Response
from shared.web.signing.profile import Claimed, Policy
from shared.web.signing.refusals import Refused
from shared.web.signing.requests import LABEL, checked_request, sign_request
from shared.web.signing.responses import sign_response, verify_response
from shared.web.signing.scribe import PlainHand, verify_here

NOW = 1_795_000_000
HAND = PlainHand()
POLICY = Policy()
BODY = b'{"person_id":"per_1","organisation_id":"org_1"}'
KEYS = {algorithm: new_key(algorithm, f"bank-{algorithm}") for algorithm in ("ed25519", "sm2-sm3")}
OURS = {algorithm: new_key(algorithm, f"ours-{algorithm}") for algorithm in ("ed25519", "sm2-sm3")}


def plain(**changes: Any) -> Request:
    """A request before it is signed."""
    headers = {
        "host": "loans.example",
        "authorization": "Bearer abc.def.ghi",
        "content-type": "application/json",
        "idempotency-key": "key-1",
    }
    return Request("POST", "https", "loans.example", "/v1/whitelist/check", "a=1&b=%20", headers)._replace(**changes)


async def signed(
    algorithm: Algorithm = "ed25519",
    *,
    body: bytes = BODY,
    now: float = NOW,
    policy: Policy = POLICY,
    **changes: Any,
) -> Request:
    request = plain(**changes)
    added = await sign_request(request, body, KEYS[algorithm], HAND, policy, now)
    return request._replace(headers={**request.headers, **added})


async def accepted(request: Request, body: bytes = BODY, now: float = NOW, key: PublicKey | None = None) -> Claimed:
    """The request's signature if it verifies: what the guard does, without keys to look up or nonces to use.

    Raises `Refused`.
    """
    found = await checked_request(request, body, POLICY, now)
    if not verify_here(key or KEYS[found.algorithm].public, found.base(request), found.signature):
        raise Refused("signature_invalid")
    return found


async def answered(
    request: Request, algorithm: Algorithm = "ed25519", *, status: int = 200, body: bytes = b'{"listed":true}'
) -> Response:
    headers = {"content-type": "application/json", "etag": '"3"', "consistency-token": "wle_1@3"}
    response = Response(status, headers, request)
    added = await sign_response(response, body, LABEL, OURS[algorithm], HAND, POLICY, NOW)
    return response._replace(headers={**headers, **added})


async def believed(
    response: Response, body: bytes = b'{"listed":true}', algorithm: Algorithm = "ed25519", now: float = NOW
) -> None:
    """Raises `Refused`."""

    async def key_of(kid: str) -> PublicKey | None:
        return next((key.public for key in OURS.values() if key.public.kid == kid), None)

    await verify_response(response, body, LABEL, algorithm, key_of, HAND, POLICY, now)
