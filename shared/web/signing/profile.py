"""What a signature between us and a partner must hold: our profile of RFC 9421."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec

from shared.web.signing.digests import DigestAlgorithm
from shared.web.signing.keys import ALGORITHMS, Algorithm
from shared.web.signing.messages import Component, Parameters, Request, Response, parsed_dictionary, signature_base
from shared.web.signing.refusals import Refused

TAG = "huchuang-bank"
PARAMETERS = frozenset({"created", "expires", "nonce", "keyid", "alg", "tag"})
SHORTEST_NONCE, LONGEST_NONCE = 16, 128
LONGEST_KEYID = 128
LATEST = 2**40
"""No time of ours is later; keeps foreign numbers within what a database can hold as a time."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of the wall clock: how long a signature may be valid, how far clocks may differ, how long ours are."""

    window: int = 300
    skew: int = 30
    lifetime: int = 120


class Claimed(NamedTuple):
    """A signature as its sender presents it: well-formed and within its time, nothing more is known of it."""

    label: str
    components: Sequence[Component]
    parameters: Parameters
    signature: bytes

    @property
    def keyid(self) -> str:
        return cast(str, self.parameters["keyid"])

    @property
    def algorithm(self) -> Algorithm:
        return cast(Algorithm, self.parameters["alg"])

    @property
    def nonce(self) -> str:
        return cast(str, self.parameters["nonce"])

    @property
    def expires(self) -> int:
        return cast(int, self.parameters["expires"])

    def base(self, message: Request | Response) -> bytes:
        return signature_base(message, self.components, self.parameters)


def claimed(message: Request | Response, required: frozenset[str], policy: Policy, now: float) -> Claimed:
    """The message's one signature with our tag and the `required` parameters. Raises `Refused`."""
    found = _tagged(message.headers.get("signature-input"), message.headers.get("signature"))
    parameters = found.parameters
    if not required <= parameters.keys():
        raise Refused("signature_weak")
    if not parameters.keys() <= PARAMETERS or not all(map(_is_well_formed, parameters.items())):
        raise Refused("signature_invalid")
    if found.algorithm not in ALGORITHMS:
        raise Refused("signature_weak")
    created, expires = parameters["created"], parameters["expires"]
    if not 0 < expires - created <= policy.window:
        raise Refused("signature_weak")
    if created > now + policy.skew or expires < now - policy.skew:
        raise Refused("signature_expired")
    return found


def digest_for(algorithm: Algorithm) -> DigestAlgorithm:
    """The digest that goes with an algorithm, so that a message stands on one family of them."""
    return "sm3" if algorithm == "sm2-sm3" else "sha-256"


def _tagged(inputs: str | None, signatures: str | None) -> Claimed:
    if inputs is None or signatures is None:
        raise Refused("signature_missing")
    found = [
        (label, member)
        for label, member in parsed_dictionary(inputs).items()
        if isinstance(member, tuple) and member[1].get("tag") == TAG
    ]
    if not found:
        raise Refused("signature_missing")
    if len(found) > 1:
        raise Refused("signature_invalid")
    [(label, (components, parameters))] = found
    member = parsed_dictionary(signatures).get(label)
    if not isinstance(components, list) or not isinstance(member, tuple) or not isinstance(member[0], bytes):
        raise Refused("signature_invalid")
    if not all(isinstance(component, tuple) and isinstance(component[0], str) for component in components):
        raise Refused("signature_invalid")
    return Claimed(label, components, parameters, member[0])


def _is_well_formed(parameter: tuple[str, Any]) -> bool:
    name, value = parameter
    if name in ("created", "expires"):
        return type(value) is int and 0 < value < LATEST
    if type(value) is not str:
        return False
    if name == "nonce":
        return SHORTEST_NONCE <= len(value) <= LONGEST_NONCE
    return name != "keyid" or len(value) <= LONGEST_KEYID
