"""The worked examples of the banks' document: request, signature base and signature are exactly right."""

import json
import re

import pytest

from shared.web.signing.keys import public_key
from shared.web.signing.messages import Request, joined
from shared.web.signing.profile import Policy
from shared.web.signing.refusals import DETAILS
from shared.web.signing.requests import checked_request
from shared.web.signing.scribe import verify_here
from tests.contract.docs.snippets import ROOT

TEXT = (ROOT / "docs/integration/bank-signing.md").read_text(encoding="utf-8")
EXAMPLES = list(
    zip(
        re.findall(r"```json\n(.*?)\n```", TEXT, re.DOTALL),
        re.findall(r"```http\n(.*?)\n```", TEXT, re.DOTALL),
        re.findall(r"```text\n(.*?)\n```", TEXT, re.DOTALL),
        strict=True,
    )
)


@pytest.mark.parametrize(("jwk", "message", "base"), EXAMPLES, ids=["ed25519", "sm2-sm3"])
async def test_the_example_verifies_with_the_base_that_is_shown(jwk: str, message: str, base: str) -> None:
    head, _, body = message.partition("\n\n")
    first, *lines = head.split("\n")
    method, path, _ = first.split(" ")
    headers = joined((name, value) for name, _, value in (line.partition(": ") for line in lines))
    request = Request(method, "https", headers["host"], path, "", headers)
    found = await checked_request(request, body.encode(), Policy(), 1767225600)
    assert found.base(request) == base.encode()
    key = public_key(json.loads(jwk))
    assert (key.kid, key.algorithm) == (found.keyid, found.algorithm)
    assert verify_here(key, found.base(request), found.signature)
    assert not verify_here(key, found.base(request) + b"\n", found.signature)


def test_every_code_is_explained() -> None:
    assert all(f"| `{code}` |" in TEXT for code in DETAILS)


def test_the_policy_is_the_documents() -> None:
    policy = Policy()
    assert f"相差不超过 {policy.window} 秒，双方时钟可差 {policy.skew} 秒" in TEXT
