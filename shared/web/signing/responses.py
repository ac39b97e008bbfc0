"""Signed answers: bound to the request that they answer, by covering its signature (RFC 9421 section 2.4)."""

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping

from shared.web.signing.digests import check_digest, content_digest
from shared.web.signing.keys import PrivateKey, PublicKey
from shared.web.signing.messages import Component, Response, signature_base, signature_parameters
from shared.web.signing.profile import PARAMETERS, TAG, Policy, claimed, digest_for
from shared.web.signing.refusals import Refused
from shared.web.signing.scribe import Hand

LABEL = "huchuang"
WHEN_PRESENT = ("content-type", "consistency-token", "etag", "location", "link", "idempotent-replayed", "retry-after")
"""Fields that the signature of any answer covers that has them."""


async def sign_response(
    response: Response, body: bytes, label: str, key: PrivateKey, hand: Hand, policy: Policy, now: float
) -> dict[str, str]:
    """The fields to add to an answer. `label` is that of the request's signature."""
    algorithm = key.public.algorithm
    added = {"content-digest": await content_digest(body, digest_for(algorithm))}
    response = response._replace(headers={**response.headers, **added})
    components: list[Component] = [(name, {}) for name in _covered(response.headers)]
    components.append(("signature", {"req": True, "key": label}))
    parameters = {
        "created": int(now),
        "expires": int(now) + policy.lifetime,
        "keyid": key.public.kid,
        "alg": algorithm,
        "tag": TAG,
    }
    signature = await hand.sign(key, signature_base(response, components, parameters))
    added["signature-input"] = f"{LABEL}={signature_parameters(components, parameters)}"
    added["signature"] = f"{LABEL}=:{b64encode(signature).decode()}:"
    return added


async def verify_response(
    response: Response,
    body: bytes,
    label: str,
    algorithm: str,
    key_of: Callable[[str], Awaitable[PublicKey | None]],
    hand: Hand,
    policy: Policy,
    now: float,
) -> None:
    """Return if the answer is ours to the request that it came for, signed with `algorithm`. Raises `Refused`."""
    found = claimed(response, PARAMETERS - {"nonce"}, policy, now)
    if found.algorithm != algorithm:
        raise Refused("signature_weak")
    covered = {name for name, parameters in found.components if not parameters}
    bound = ("signature", {"req": True, "key": label}) in found.components
    if not bound or not covered >= set(_covered(response.headers)):
        raise Refused("signature_weak")
    await check_digest(response.headers["content-digest"], body)
    key = await key_of(found.keyid)
    if key is None:
        raise Refused("signature_key_unknown")
    if key.algorithm != found.algorithm:
        raise Refused("signature_weak")
    if not await hand.verify(key, found.base(response), found.signature):
        raise Refused("signature_invalid")


def _covered(headers: Mapping[str, str]) -> list[str]:
    if "content-digest" not in headers:
        raise Refused("signature_weak")
    return ["@status", "content-digest", *(name for name in WHEN_PRESENT if name in headers)]
