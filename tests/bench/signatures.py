"""What a signature costs: each scheme by itself, and a bank's signed check over HTTP.

`…_us` are microseconds per message in one process: `sign` and `verify` with signature base, digest and parsing.
`signed_check_…_per_s` are complete requests with a new nonce each, whose answers are signed too.
"""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.bank_keys import key_file, key_in
from shared.values.ids import new_id, uuid7
from shared.web.signing.keys import Algorithm, PrivateKey, new_key
from shared.web.signing.messages import Request
from shared.web.signing.profile import Policy
from shared.web.signing.requests import checked_request, sign_request
from shared.web.signing.scribe import Hand, PlainHand, Scribe
from tests.bench.load import rendered, run
from tests.bench.scene import Scene, encoded, scene

CONNECTIONS = 32
REQUESTS = {"ed25519": 2000, "sm2-sm3": 500}
MESSAGES = {"ed25519": 500, "sm2-sm3": 100}
CLIENTS: dict[Algorithm, str] = {"ed25519": "bank:demo-a", "sm2-sm3": "bank:demo-c"}
BODY = encoded({"person_id": new_id("per", uuid7()), "organisation_id": new_id("org", uuid7())})
LONGEST = Policy(lifetime=300)


async def measure(directory: Path, rounds: int) -> dict[str, float]:
    """Medians over rounds; the first is a warm-up. Nothing is on the whitelist: the answer is no, at the same cost."""
    samples: dict[str, list[float]] = {}
    scribe = Scribe()
    async with scene(directory, "loans") as place:
        for number in range(rounds + 1):
            figures: dict[str, float] = {}
            for algorithm in CLIENTS:
                name = algorithm.partition("-")[0]
                figures |= await _by_itself(algorithm, name, scribe)
                figures[f"signed_check_{name}_per_s"] = await _signed(place, algorithm)
            if number:
                for key, value in figures.items():
                    samples.setdefault(key, []).append(value)
    await scribe.close()
    return {key: round(statistics.median(values), 1) for key, values in samples.items()}


async def _by_itself(algorithm: Algorithm, name: str, scribe: Scribe) -> dict[str, float]:
    """Microseconds to sign and to verify a request, without nonce and key look-up; for SM2 with the way to its desk."""
    key, count, now = new_key(algorithm, "k"), MESSAGES[algorithm], time.time()
    plain = _request("http://127.0.0.1:1/v1/whitelist/check", "token")
    started = time.perf_counter()
    for _ in range(count):
        added = await sign_request(plain, BODY, key, scribe, LONGEST, now)
    signed_in = time.perf_counter() - started
    request = plain._replace(headers={**plain.headers, **added})
    started = time.perf_counter()
    for _ in range(count):
        found = await checked_request(request, BODY, LONGEST, now)
        assert await scribe.verify(key.public, found.base(request), found.signature)
    verified_in = time.perf_counter() - started
    return {f"sign_{name}_us": signed_in / count * 1e6, f"verify_{name}_us": verified_in / count * 1e6}


async def _signed(place: Scene, algorithm: Algorithm) -> float:
    pairs = [(new_id("per", uuid7()), new_id("org", uuid7())) for _ in range(REQUESTS[algorithm])]
    checks = await signed_checks(place, CLIENTS[algorithm], pairs)
    return await run(place.url, checks, connections=CONNECTIONS, expect=200)


async def signed_checks(place: Scene, client: str, pairs: Sequence[tuple[str, str]]) -> list[bytes]:
    """Checks of persons and organisations as bytes to send, each signed by the sandbox's bank with its own nonce."""
    key = key_in(key_file(Path(place.settings.directory) / "keys", client))
    url, hand = f"{place.url}/v1/whitelist/check", PlainHand()
    return [
        await _check(url, place.tokens[client], {"person_id": person, "organisation_id": organisation}, key, hand)
        for person, organisation in pairs
    ]


async def _check(url: str, token: str, question: dict[str, str], key: PrivateKey, hand: Hand) -> bytes:
    plain, body = _request(url, token), encoded(question)
    added = await sign_request(plain, body, key, hand, LONGEST, time.time())
    return rendered(url, "POST", {"authorization": plain.headers["authorization"], **added}, body)


def _request(url: str, token: str) -> Request:
    parts = urlsplit(url)
    headers = {"host": parts.netloc, "content-type": "application/json", "authorization": f"Bearer {token}"}
    return Request("POST", parts.scheme, parts.netloc, parts.path, "", headers)
