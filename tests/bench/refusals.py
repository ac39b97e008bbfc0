"""How long a refusal takes, by what was wrong: what depends on a key must not tell by its time whether there is one.

Interleaved in one process, without network and database: `refusal_<what>_<kind>_us` are medians in microseconds.
`refusal_<what>_ratio` is slowest by fastest among the kinds of `SECRET`; the others (expired, digest) say what anybody
could work out himself, and come before any key is looked for or after the signature has held.
"""

import asyncio
import statistics
import time
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import msgspec
from fastapi import Request
from fastapi.responses import Response
from joserfc import jwt
from joserfc.jwk import OKPKey

from services.registry.domain.client import ClientKey
from services.registry.tokens import assertions
from shared.web.caller import Caller, Verifier
from shared.web.issuers import Issuer
from shared.web.problem import Problem
from shared.web.signing.guard import Guard
from shared.web.signing.keys import Algorithm, PrivateKey, PublicKey, new_key
from shared.web.signing.messages import Request as Seen
from shared.web.signing.nonces import NonceBook
from shared.web.signing.own_keys import OwnKeys
from shared.web.signing.profile import Policy
from shared.web.signing.requests import sign_request
from shared.web.signing.scribe import PlainHand, Scribe
from tests.bench.scene import encoded

SECRET = ("unknown_key", "wrong_key", "first_bit", "last_bit")
TIMES = {"token": 400, "assertion": 400, "ed25519": 400, "sm2": 100}
WARM_UP = 20
BANK, BODY, HOST = "bank:demo-a", encoded({"person_id": "per_1"}), "loans.test"
CHECK = "/v1/whitelist/check"
AUTHORITY, AUDIENCE = "https://registry.test", "huchuang"

Ask = Callable[[], Awaitable[object]]


class Bench(msgspec.Struct, frozen=True):
    """An issuer of tokens, as the settings name one."""

    name: str
    audience: str
    jwks: str
    algorithms: tuple[str, ...] = ("Ed25519",)
    vouches_for: tuple[str, ...] = ("system",)
    token_type: str | None = None
    foretells: bool = False


async def measure(directory: Path, rounds: int) -> dict[str, float]:
    """Medians over all rounds."""
    scribe = Scribe()
    kinds = {
        "token": _tokens(directory),
        "assertion": _assertions(),
        "ed25519": await _signatures("ed25519", directory, scribe),
        "sm2": await _signatures("sm2-sm3", directory, scribe),
    }
    figures: dict[str, float] = {}
    for what, asks in kinds.items():
        medians = await _timed(asks, TIMES[what] * rounds)
        figures |= {f"refusal_{what}_{kind}_us": round(median, 1) for kind, median in medians.items()}
        secret = [medians[kind] for kind in SECRET if kind in medians]
        figures[f"refusal_{what}_ratio"] = round(max(secret) / min(secret), 2)
    await scribe.close()
    return figures


async def _timed(asks: dict[str, Ask], times: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {kind: [] for kind in asks}
    for number in range(times + WARM_UP):
        for kind, ask in asks.items():
            started = time.perf_counter()
            try:
                refused = await ask() is None
            except Problem:
                refused = True
            passed = time.perf_counter() - started
            assert refused, kind
            if number >= WARM_UP:
                taken[kind].append(passed * 1e6)
    return {kind: statistics.median(values) for kind, values in taken.items()}


# -- tokens ------------------------------------------------------------------------------------------------------------


def _tokens(directory: Path) -> dict[str, Ask]:
    key, other = (OKPKey.generate_key("Ed25519", {"kid": "known"}) for _ in range(2))
    jwks = directory / "jwks.json"
    jwks.write_bytes(encoded({"keys": [key.as_dict(private=False)]}))
    verifier = Verifier([Issuer(cast(Any, Bench(AUTHORITY, AUDIENCE, str(jwks))))])

    def signed(key: OKPKey, kid: str = "known", lives: int = 86_400) -> str:
        now = int(time.time())
        claims = {"iss": AUTHORITY, "aud": AUDIENCE, "sub": BANK, "roles": [BANK], "iat": now, "exp": now + lives}
        return jwt.encode({"alg": "Ed25519", "kid": kid}, claims, key, algorithms=["Ed25519"])

    texts = {
        "unknown_key": signed(key, "unknown"),
        "wrong_key": signed(other),
        "first_bit": _flipped(signed(key), 0),
        "last_bit": _flipped(signed(key), -1),
        "expired": signed(key, lives=-60),
    }
    return {kind: lambda text=text: verifier.verified(text) for kind, text in texts.items()}  # type: ignore[misc]


def _assertions() -> dict[str, Ask]:
    """A client's assertions at the token endpoint: `unknown_key` is that of a client that there is not."""
    key, other = (OKPKey.generate_key("Ed25519", {"kid": "known"}) for _ in range(2))
    public = {name: str(value) for name, value in key.as_dict(private=False).items()}
    known = ClientKey("known", "token", "Ed25519", public, "usr_1", "approved", "usr_2")

    def signed(key: OKPKey, lives: int = 60) -> str:
        now = int(time.time()) + 3600 * (lives > 0)
        claims = {"iss": BANK, "sub": BANK, "aud": AUTHORITY, "iat": now, "exp": now + lives, "jti": "1"}
        return jwt.encode({"alg": "Ed25519", "kid": "known"}, claims, key, algorithms=["Ed25519"])

    def asked(text: str, key: ClientKey | None) -> Ask:
        async def ask() -> object:
            said = assertions.claimed(text)
            assert said is not None
            return assertions.verified(text, said, key, [AUTHORITY])

        return ask

    return {
        "unknown_key": asked(signed(key), None),
        "wrong_key": asked(signed(other), known),
        "first_bit": asked(_flipped(signed(key), 0), known),
        "last_bit": asked(_flipped(signed(key), -1), known),
        "expired": asked(signed(key, -60), known),
    }


def _flipped(token: str, byte: int) -> str:
    head, _, text = token.rpartition(".")
    flipped = _with_flipped_bit(urlsafe_b64decode(text + "=="), byte)
    return f"{head}.{urlsafe_b64encode(flipped).decode().rstrip('=')}"


def _with_flipped_bit(signature: bytes, byte: int) -> bytes:
    """The lowest bit of that byte is another: the numbers stay in their range."""
    changed = bytearray(signature)
    changed[byte] ^= 1
    return bytes(changed)


# -- banks' signatures -------------------------------------------------------------------------------------------------


async def _signatures(algorithm: Algorithm, directory: Path, scribe: Scribe) -> dict[str, Ask]:
    key, other = new_key(algorithm, "known"), new_key(algorithm, "known")

    async def key_of(client: str, kid: str) -> PublicKey | None:
        return key.public if kid == "known" else None

    own = OwnKeys(directory / f"own-{algorithm}", "loans")
    guard = Guard(key_of, cast(NonceBook, None), own, scribe, Policy(lifetime=300))
    right = await _signed(key)
    signature = b64decode(right["signature"].split(":")[1])

    def with_signature(signature: bytes) -> dict[str, str]:
        return {**right, "signature": f"bank=:{b64encode(signature).decode()}:"}

    headers = {
        "unknown_key": await _signed(PrivateKey(key.public._replace(kid="unknown"), key.raw)),
        "wrong_key": await _signed(other),
        "first_bit": with_signature(_with_flipped_bit(signature, 0)),
        "last_bit": with_signature(_with_flipped_bit(signature, -1)),
        "expired": await _signed(key, time.time() - 3600),
        "digest": {**right, "content-digest": f"sha-256=:{b64encode(bytes(32)).decode()}:"},
    }
    return {
        kind: lambda found=found: guard.exchange(_request(found), _never)  # type: ignore[misc]
        for kind, found in headers.items()
    }


async def _signed(key: PrivateKey, now: float | None = None) -> dict[str, str]:
    plain = {"host": HOST, "content-type": "application/json", "authorization": "Bearer token"}
    seen = Seen("POST", "http", HOST, CHECK, "", plain)
    return plain | await sign_request(seen, BODY, key, PlainHand(), Policy(lifetime=300), now or time.time())


def _request(headers: dict[str, str]) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY, "more_body": False}

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http", "method": "POST", "scheme": "http", "raw_path": CHECK.encode(), "path": CHECK,
        "query_string": b"", "headers": raw, "caller": Caller(BANK, None, (BANK,), float("inf")),
    }  # fmt: skip
    return Request(scope, receive)


async def _never(request: Request) -> Response:
    raise AssertionError("a refused request was let through")


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as kept:
        for name, figure in asyncio.run(measure(Path(kept), 3)).items():
            print(f"{name:36} {figure:9.2f}")
