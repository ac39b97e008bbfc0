"""Signed requests: what they must cover, how they are made and checked."""

import secrets
from base64 import b64encode
from collections.abc import Mapping

from shared.web.signing.digests import check_digest, content_digest
from shared.web.signing.keys import ALGORITHMS, Algorithm, PrivateKey
from shared.web.signing.messages import Component, Request, parsed_dictionary, signature_base, signature_parameters
from shared.web.signing.profile import PARAMETERS, TAG, Claimed, Policy, claimed, digest_for
from shared.web.signing.refusals import Refused
from shared.web.signing.scribe import Hand

LABEL = "bank"
WHEN_PRESENT = ("content-digest", "content-type", "idempotency-key", "accept-signature")
"""Fields that must be covered by the signature of any request that has them."""


async def checked_request(request: Request, body: bytes, policy: Policy, now: float) -> Claimed:
    """The request's signature, if all that does not need its key is in order. Raises `Refused`."""
    found = claimed(request, PARAMETERS, policy, now)
    covered = {name for name, parameters in found.components if not parameters}
    if "@target-uri" not in covered and not covered >= {"@authority", "@path", "@query"}:
        raise Refused("signature_weak")
    if not covered >= _required(request.headers, body):
        raise Refused("signature_weak")
    if "content-digest" in request.headers:
        await check_digest(request.headers["content-digest"], body)
    return found


def _required(headers: Mapping[str, str], body: bytes) -> set[str]:
    content = {"content-digest", "content-type"} if body else set()
    return {"@method", "authorization"} | content | {name for name in WHEN_PRESENT if name in headers}


async def sign_request(
    request: Request, body: bytes, key: PrivateKey, hand: Hand, policy: Policy, now: float
) -> dict[str, str]:
    """The fields to add to a request, which must have its `Authorization`. Raises `Refused` for what cannot be signed.

    The answer is asked for in the same algorithm.
    """
    algorithm = key.public.algorithm
    added = {"accept-signature": f'{LABEL}=("@status" "content-digest");alg="{algorithm}";tag="{TAG}"'}
    if body:
        added["content-digest"] = await content_digest(body, digest_for(algorithm))
    request = request._replace(headers={**request.headers, **added})
    names = ["@method", "@target-uri", "authorization", *(n for n in WHEN_PRESENT if n in request.headers)]
    components: list[Component] = [(name, {}) for name in names]
    parameters = {
        "created": int(now),
        "expires": int(now) + policy.lifetime,
        "nonce": secrets.token_urlsafe(18),
        "keyid": key.public.kid,
        "alg": algorithm,
        "tag": TAG,
    }
    signature = await hand.sign(key, signature_base(request, components, parameters))
    added["signature-input"] = f"{LABEL}={signature_parameters(components, parameters)}"
    added["signature"] = f"{LABEL}=:{b64encode(signature).decode()}:"
    return added


def asked_algorithm(request: Request, otherwise: Algorithm) -> Algorithm:
    """What `Accept-Signature` (RFC 9421 section 5.1) asks the answer to be signed with. Raises `Refused`."""
    field = request.headers.get("accept-signature")
    if field is None:
        return otherwise
    for member in parsed_dictionary(field).values():
        if isinstance(member, tuple) and member[1].get("tag", TAG) == TAG:
            asked = member[1].get("alg", otherwise)
            if asked not in ALGORITHMS:
                raise Refused("signature_weak")
            return asked  # type: ignore[no-any-return]
    return otherwise
