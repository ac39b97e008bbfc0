"""Systems and people sign in: from a key of one's own to the first answer of another service."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from joserfc.jwk import OKPKey

from deploy.local.client import Client
from deploy.local.demo.run import Outcome
from deploy.local.endpoints import Endpoints
from shared.web.client_key import public_part, token_request
from tests.e2e.browser import sign_in
from tests.e2e.caller import Caller, Minter
from tests.e2e.test_readme import BLOCK

pytestmark = pytest.mark.stack


DOCUMENT = Path(__file__).parents[2] / "docs/integration/sign-in.md"


def test_the_commands_of_the_document_lead_to_a_token(directory: Path, endpoints: Endpoints, tmp_path: Path) -> None:
    commands = "".join(BLOCK.findall(DOCUMENT.read_text()))
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    done = subprocess.run(
        ["sh", "-eux", "-c", commands],
        cwd=tmp_path,
        env={**os.environ, "DIR": str(directory)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert '"items"' in done.stdout


class Partner:
    """A training institution's system with a key and a client of its own."""

    def __init__(self, call: Caller) -> None:
        self.call = call
        self.name = f"institution:e2e-{uuid4().hex[:8]}"
        self.key = OKPKey.generate_key("Ed25519", {"kid": "e2e-1"})
        self.registry = call.endpoints.services["registry"]

    async def token(self) -> httpx.Response:
        form = token_request(self.key, self.name, self.registry)
        return await self.call.http.post(f"{self.registry}/oauth2/token", data=form)

    async def let_in(self, client: Client) -> str:
        """Its path, after two persons have seen to it."""
        body = {"client_id": self.name, "name": "端到端机构", "scopes": ["institution:demo-1"]}
        path = f"/v1/clients/{(await client.post('ops', 'registry', '/v1/clients', body, step='request')).id}"
        key = {"use": "token", "public_key": public_part(self.key)}
        await client.post("ops", "registry", f"{path}/keys", key, step="key")
        assert (await self.token()).json()["error"] == "invalid_client"
        await client.post("city", "registry", f"{path}:approve", step="approve")
        return path


async def asked(call: Caller, token: str) -> int:
    """What training says to who asks for its own classes."""
    return (await call.get(token, "training", "/v1/classes")).status_code


async def test_a_system_is_let_in_by_two_persons_and_out_by_one(client: Client, call: Caller) -> None:
    partner = Partner(call)
    path = await partner.let_in(client)
    token = (await partner.token()).json()["access_token"]
    assert await asked(call, token) == 200
    assert (await call.get(token, "registry", "/v1/clients")).status_code == 403
    await client.post("ops", "registry", f"{path}:suspend", {"reason": "测试"}, step="suspend")
    assert (await partner.token()).json()["error"] == "invalid_client"


async def test_a_token_holds_while_the_keys_change(client: Client, call: Caller) -> None:
    partner = Partner(call)
    await partner.let_in(client)
    before = (await partner.token()).json()["access_token"]
    rotated = await call.post("ops", "registry", "/v1/signing-keys:rotate")
    assert rotated.status_code in (201, 409)
    assert len((await call.get(None, "registry", "/jwks")).json()["keys"]) == 2
    after = (await partner.token()).json()["access_token"]
    assert [await asked(call, token) for token in (before, after)] == [200, 200]


async def test_a_persons_token_of_the_provider_is_good_for_the_apis(endpoints: Endpoints, call: Caller) -> None:
    async with httpx.AsyncClient(base_url=endpoints.services["audit"], trust_env=False, timeout=20) as browser:
        entered = await sign_in(browser, "auditor")
        token = str(browser.cookies["huchuang_console"])
        assert (entered.status_code, entered.headers["location"]) == (303, "/console")
        assert (await call.get(token, "subsidy", "/v1/claims")).status_code == 200
        assert (await call.get(token, "registry", "/v1/clients")).status_code == 200
        assert (await call.post(token, "registry", "/v1/clients", {})).status_code == 403
        left = await browser.post("/console/sign-out")
        back = await browser.get(left.headers["location"])
        assert (back.status_code, back.headers["location"]) == (303, f"{endpoints.services['audit']}/console")
        assert "请先登录" in (await browser.get("/console")).text
    async with httpx.AsyncClient(base_url=endpoints.services["audit"], trust_env=False, timeout=20) as browser:
        refused = await sign_in(browser, "finance/maker")
        assert (refused.status_code, "没有查看控制台的权限" in refused.text) == (403, True)
        assert "huchuang_console" not in browser.cookies
        sent = await browser.get("/console/sign-in")
        state = parse_qs(urlsplit(sent.headers["location"]).query)["state"][0]
        bad = await browser.get(f"/console/signed-in?code=x&state={state}&iss=http://other.test")
        assert bad.status_code == 400


async def test_money_needs_somebody_who_has_just_signed_in(call: Caller, mint: Minter) -> None:
    path = "/v1/payment-batches/pay_00000000-0000-7000-8000-000000000000:release"
    old = await call.post(mint("finance/releaser", signed_in=3600), "subsidy", path)
    assert (old.status_code, old.json()["code"]) == (401, "step_up_required")
    assert "insufficient_user_authentication" in old.headers["www-authenticate"]
    for fresh in (mint("finance/releaser"), "finance/releaser"):
        assert (await call.post(fresh, "subsidy", path)).status_code == 404


async def test_the_app_acts_for_the_person_that_it_names_and_for_nobody_else(
    demonstrated: Outcome, client: Client, call: Caller
) -> None:
    told = (await client.get("auditor", "notify", f"/v1/messages?subject_id={demonstrated.claim_id}")).body["items"][0]
    person, other = told["person_id"], "per_00000000-0000-7000-8000-000000000000"
    withdraw = f"/v1/claims/{demonstrated.claim_id}:withdraw"
    refused = await call.post("app", "subsidy", withdraw, on_behalf_of=other)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_the_claimant")
    paid = await call.post("app", "subsidy", withdraw, on_behalf_of=person)
    assert paid.status_code == 409
    assert (await call.post("app", "subsidy", withdraw, on_behalf_of="x")).status_code == 422
    headers = {"authorization": f"Bearer {call.endpoints.tokens['app']}"}
    for path in (f"/v1/messages/{told['id']}", f"/v1/messages?person_id={person}"):
        url = call.endpoints.services["notify"] + path
        answers = [await call.http.get(url, headers={**headers, "on-behalf-of": name}) for name in (person, other)]
        assert [answer.status_code for answer in answers] == [200, 403]
    read = await call.post("app", "notify", f"/v1/messages/{told['id']}:read", on_behalf_of=other)
    assert read.status_code == 403
