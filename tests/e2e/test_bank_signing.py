"""A bank's first signed call, as its document says, against the session's stack."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.endpoints import Endpoints
from shared.web.signing.client import PublishedKeys, SignedCalls
from shared.web.signing.keys import private_key
from tests.e2e.caller import Caller
from tests.e2e.test_readme import BLOCK, ROOT

pytestmark = pytest.mark.stack

DOCUMENT = ROOT / "docs/integration/bank-signing.md"


def test_every_command_of_the_document_does_what_it_says(endpoints: Endpoints, directory: Path) -> None:
    commands = "".join(BLOCK.findall(DOCUMENT.read_text(encoding="utf-8")))
    done = subprocess.run(
        ["sh", "-eu", "-c", commands],
        env={**os.environ, "DIR": str(directory)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert '"kty": "OKP"' in done.stdout
    assert '"crv": "SM2"' in done.stdout
    assert "HTTP/1.1 200" in done.stdout
    assert '"listed":false' in done.stdout
    assert (
        'signature-input: huchuang=("@status" "content-digest" "content-type" "signature";req;key="sig1")'
        in done.stdout
    )


@pytest.mark.parametrize("bank", ["bank:demo-a", "bank:demo-c"])
async def test_the_python_of_the_document(endpoints: Endpoints, bank: str) -> None:
    loans, token, key_file = endpoints.services["loans"], endpoints.tokens[bank], endpoints.signing_keys[bank]

    # snippet: python
    async def fetch(url: str) -> Any:
        async with httpx.AsyncClient() as plain:
            return (await plain.get(url)).raise_for_status().json()

    key = private_key(json.loads(Path(key_file).read_text()))
    signing = SignedCalls(key, PublishedKeys(f"{loans}/v1/signing-keys", fetch))
    async with httpx.AsyncClient(auth=signing, headers={"authorization": f"Bearer {token}"}) as bank_client:
        question = {
            "person_id": "per_01900000-0000-7000-8000-000000000001",
            "organisation_id": "org_01900000-0000-7000-8000-000000000002",
        }
        answer = await bank_client.post(f"{loans}/v1/whitelist/check", json=question)
        assert answer.json()["listed"] is False
    # end snippet


async def test_a_bank_that_does_not_sign_is_refused(call: Caller, endpoints: Endpoints) -> None:
    url = f"{endpoints.services['loans']}/v1/whitelist/changes"
    answer = await call.http.get(url, headers={"authorization": f"Bearer {endpoints.tokens['bank:demo-a']}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "signature_missing")
