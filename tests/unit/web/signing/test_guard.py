"""What the guard does before it refuses: the same work whether or not there is such a key."""

from pathlib import Path
from typing import Any, cast

import pytest
from fastapi import Request
from fastapi.responses import Response

from shared.web.caller import Caller
from shared.web.problem import Problem
from shared.web.signing.guard import Guard
from shared.web.signing.keys import Algorithm, PublicKey, new_key
from shared.web.signing.messages import Request as Seen
from shared.web.signing.nonces import NonceBook
from shared.web.signing.own_keys import OwnKeys
from shared.web.signing.scribe import PlainHand, Scribe
from tests.unit.web.signing.samples import BODY, KEYS, NOW, POLICY, signed

BANK = "bank:demo-a"


class CountingHand(PlainHand):
    """Remembers under keys of which algorithm it verified, and what came of it."""

    def __init__(self) -> None:
        self.verified: list[tuple[Algorithm, bool]] = []

    async def verify(self, key: PublicKey, message: bytes, signature: bytes) -> bool:
        holds = await super().verify(key, message, signature)
        self.verified.append((key.algorithm, holds))
        return holds


def as_received(seen: Seen) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY, "more_body": False}

    scope = {
        "type": "http", "method": seen.method, "scheme": seen.scheme, "path": seen.path,
        "raw_path": seen.path.encode(), "query_string": seen.query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in seen.headers.items()],
        "caller": Caller(BANK, None, (BANK,), float("inf")),
    }  # fmt: skip
    return Request(scope, receive)


async def never(request: Request) -> Response:
    raise AssertionError("a refused request was let through")


@pytest.mark.parametrize("algorithm", ["ed25519", "sm2-sm3"])
@pytest.mark.parametrize(
    ("known", "code"),
    [("none", "signature_key_unknown"), ("other", "signature_invalid"), ("other kind", "signature_weak")],
)
async def test_every_refusal_that_depends_on_a_key_has_verified_once_in_the_claimed_algorithm(
    algorithm: Algorithm, known: str, code: str, tmp_path: Path
) -> None:
    hand = CountingHand()
    other_kind: Algorithm = "sm2-sm3" if algorithm == "ed25519" else "ed25519"
    kid = KEYS[algorithm].public.kid
    key = {"none": None, "other": new_key(algorithm, kid).public, "other kind": new_key(other_kind, kid).public}[known]

    async def key_of(client: str, kid: str) -> PublicKey | None:
        return key

    guard = Guard(
        key_of, cast(NonceBook, None), OwnKeys(tmp_path, "loans"), cast(Scribe, hand), POLICY, lambda: float(NOW)
    )
    with pytest.raises(Problem) as raised:
        await guard.exchange(as_received(await signed(algorithm)), never)
    assert (raised.value.status, raised.value.code) == (401, code)
    assert hand.verified == [(algorithm, False)]
