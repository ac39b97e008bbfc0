"""Our signed answer: it cannot be changed, nor given as the answer to another request."""

import pytest

from shared.web.signing.keys import Algorithm
from shared.web.signing.messages import Response
from shared.web.signing.refusals import Refused
from tests.unit.web.signing.samples import NOW, answered, believed, signed

BOTH = pytest.mark.parametrize("algorithm", ["ed25519", "sm2-sm3"])
ANSWER = b'{"listed":true}'


async def disbelieved(
    response: Response, body: bytes = ANSWER, algorithm: Algorithm = "ed25519", now: float = NOW
) -> str:
    with pytest.raises(Refused) as raised:
        await believed(response, body, algorithm, now)
    return raised.value.code


@BOTH
async def test_a_signed_answer_is_believed(algorithm: Algorithm) -> None:
    await believed(await answered(await signed(algorithm), algorithm), ANSWER, algorithm)


@BOTH
async def test_an_answer_to_another_request_is_not_believed(algorithm: Algorithm) -> None:
    """Two requests that are the same but for their nonces: the answers cannot be swapped."""
    one, two = await signed(algorithm), await signed(algorithm)
    yes = await answered(one, algorithm)
    no = await answered(two, algorithm, body=b'{"listed":false}')
    assert await disbelieved(yes._replace(request=two), ANSWER, algorithm) == "signature_invalid"
    assert await disbelieved(no._replace(request=one), b'{"listed":false}', algorithm) == "signature_invalid"


@BOTH
async def test_nothing_of_an_answer_can_be_changed(algorithm: Algorithm) -> None:
    answer = await answered(await signed(algorithm), algorithm)
    assert await disbelieved(answer._replace(status=404), ANSWER, algorithm) == "signature_invalid"
    assert await disbelieved(answer, b'{"listed":null}', algorithm) == "digest_mismatch"
    for name in ("etag", "consistency-token", "content-type"):
        changed = answer._replace(headers={**answer.headers, name: "other"})
        assert await disbelieved(changed, ANSWER, algorithm) == "signature_invalid"
    for name in ("etag", "consistency-token", "content-type", "content-digest", "signature", "signature-input"):
        removed = answer._replace(headers={k: v for k, v in answer.headers.items() if k != name})
        await disbelieved(removed, ANSWER, algorithm)
    added = answer._replace(headers={**answer.headers, "link": '</evil>; rel="next"'})
    assert await disbelieved(added, ANSWER, algorithm) == "signature_weak"


async def test_an_answer_that_is_not_bound_to_the_request_is_weak() -> None:
    answer = await answered(await signed())
    unbound = answer.headers["signature-input"].replace(' "signature";req;key="bank"', "")
    assert unbound != answer.headers["signature-input"]
    headers = {**answer.headers, "signature-input": unbound}
    assert await disbelieved(answer._replace(headers=headers)) == "signature_weak"


async def test_an_answer_in_another_algorithm_than_was_asked_for_is_a_downgrade() -> None:
    answer = await answered(await signed("sm2-sm3"), "ed25519")
    assert await disbelieved(answer, algorithm="sm2-sm3") == "signature_weak"


async def test_an_old_answer_is_not_believed() -> None:
    assert await disbelieved(await answered(await signed()), now=NOW + 151) == "signature_expired"


async def test_an_answer_of_a_key_that_is_not_ours_is_not_believed() -> None:
    answer = await answered(await signed())
    headers = {**answer.headers, "signature-input": answer.headers["signature-input"].replace("ours-", "evil-")}
    assert await disbelieved(answer._replace(headers=headers)) == "signature_key_unknown"
