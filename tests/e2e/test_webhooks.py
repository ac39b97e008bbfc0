"""The app's backend registers an address, is told of every message, and sees what came of each attempt."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from deploy.local.endpoints import Endpoints
from tests.e2e.caller import Caller, Minter
from tests.e2e.test_readme import BLOCK, ROOT
from tests.receiver import Receiver, receiving

pytestmark = pytest.mark.stack

DOCUMENT = ROOT / "docs/integration/webhooks.md"
ENDPOINTS, ATTEMPTS = "/v1/webhook-endpoints", "/v1/webhook-attempts"
INSIDE = (
    "http://app.example.sh.cn/", "https://127.0.0.1/", "https://localhost/", "https://10.0.0.8/", "https://[::1]/",
    "https://2130706433/", "https://169.254.169.254/latest", "https://user:secret@app.example.sh.cn/", "ftp://x.cn/",
    "https://intranet/", "https://[::ffff:10.0.0.1]/", "https:///webhooks", "app.example.sh.cn",
)  # fmt: skip


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


@pytest.fixture
async def registered(receiver: Receiver, call: Caller) -> AsyncIterator[dict[str, Any]]:
    """An endpoint at the receiver; it is removed afterwards, so that nobody knocks there for days."""
    answer = await call.post("app", "notify", ENDPOINTS, {"url": receiver.url})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{ENDPOINTS}/{answer.json()['id']}"
    yield answer.json()
    await call.post("app", "notify", f"{ENDPOINTS}/{answer.json()['id']}:remove")


async def attempts(call: Caller, endpoint: str, count: int, role: str = "app") -> list[dict[str, Any]]:
    """What came of the attempts at an endpoint, when there are so many."""
    async with asyncio.timeout(30):
        while True:
            found = (await call.get(role, "notify", f"{ATTEMPTS}?endpoint_id={endpoint}")).json()["items"]
            if len(found) >= count:
                assert len(found) == count
                return list(found)
            await asyncio.sleep(0.1)


async def test_a_test_comes_signed_and_its_outcome_is_shown(
    call: Caller, receiver: Receiver, registered: dict[str, Any]
) -> None:
    id, secret = registered["id"], registered["secret"]
    assert (await call.post("app", "notify", f"{ENDPOINTS}/{id}:test")).status_code == 200
    [made] = await attempts(call, id, 1)
    [came] = receiver.received
    headers, content = came.headers, came.body
    # snippet: verify
    told = Webhook(secret).verify(content, headers)  # raises WebhookVerificationError
    # end snippet
    assert told["type"] == "webhook.test"
    assert (made["message_id"], made["outcome"], made["status"], made["next_at"]) == (came.id, "delivered", 204, None)
    shown = (await call.get("ops", "notify", f"{ATTEMPTS}/{made['id']}")).json()
    assert shown == made
    standing = (await call.get("app", "notify", f"{ENDPOINTS}/{id}")).json()
    assert (standing["waiting"], standing["given_up"]) == (0, 0)
    assert "secret" not in standing


async def test_what_failed_is_sent_again_when_that_is_asked_for(
    call: Caller, receiver: Receiver, registered: dict[str, Any]
) -> None:
    receiver.answer = lambda id, time: (500, {}) if time == 1 else (204, {})
    await call.post("app", "notify", f"{ENDPOINTS}/{registered['id']}:test")
    [failed] = await attempts(call, registered["id"], 1)
    assert (failed["outcome"], failed["status"], failed["error"]) == ("failed", 500, "status")
    assert failed["next_at"] is not None
    again = await call.post("app", "notify", f"{ATTEMPTS}/{failed['id']}:resend")
    assert again.status_code == 200
    [first, second] = sorted(await attempts(call, registered["id"], 2), key=lambda item: item["number"])
    assert (first["id"], second["outcome"], receiver.ids) == (failed["id"], "delivered", [failed["message_id"]] * 2)
    late = await call.post("app", "notify", f"{ATTEMPTS}/{first['id']}:resend")
    assert (late.status_code, late.json()["code"], late.json()["id"]) == (
        409,
        "webhook_attempt_superseded",
        second["id"],
    )


@pytest.mark.parametrize("url", INSIDE)
async def test_an_address_that_leads_inside_is_refused_by_name(call: Caller, url: str) -> None:
    answer = await call.post("app", "notify", ENDPOINTS, {"url": url})
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert error["pointer"] == "/url"
    assert error["code"].startswith("outside_url.")


async def test_an_address_is_registered_once_and_types_are_known(
    call: Caller, receiver: Receiver, registered: dict[str, Any]
) -> None:
    again = await call.post("app", "notify", ENDPOINTS, {"url": receiver.url})
    assert (again.status_code, again.json()["code"]) == (409, "webhook_endpoint_exists")
    assert again.json()["id"] == registered["id"]
    unknown = await call.post("app", "notify", ENDPOINTS, {"url": f"{receiver.url}/2", "types": ["claim.payed"]})
    assert (unknown.status_code, unknown.json()["errors"][0]["code"]) == (422, "types.unknown")


async def test_nobody_sees_or_changes_the_endpoint_of_another_system(
    call: Caller, mint: Minter, registered: dict[str, Any]
) -> None:
    """Another client that may act as the app too."""
    await call.post("app", "notify", f"{ENDPOINTS}/{registered['id']}:test")
    [made] = await attempts(call, registered["id"], 1)
    other = mint("app:other", "app", kind="system")
    path = f"{ENDPOINTS}/{registered['id']}"
    assert (await call.get(other, "notify", path)).status_code == 404
    assert (await call.get(other, "notify", ENDPOINTS)).json()["items"] == []
    assert (await call.get(other, "notify", f"{ATTEMPTS}/{made['id']}")).status_code == 404
    assert (await call.get(other, "notify", f"{ATTEMPTS}?endpoint_id={registered['id']}")).json()["items"] == []
    assert (await call.post(other, "notify", f"{ATTEMPTS}/{made['id']}:resend")).status_code == 404
    for verb in ("test", "enable", "disable", "rotate-secret", "remove"):
        assert (await call.post(other, "notify", f"{path}:{verb}")).status_code == 404
    assert (await call.post(other, "notify", f"{path}:choose-types", {"types": []})).status_code == 404
    assert (await call.get("app", "notify", path)).json()["status"] == "enabled"


async def test_a_repeated_registration_tells_the_same_secret(call: Caller, receiver: Receiver) -> None:
    """The answer is lost, the request repeated: no second endpoint, no second secret."""
    body = {"url": f"{receiver.url}/twice", "signature": "v1"}
    one, two = [await call.post("app", "notify", ENDPOINTS, body, idempotency_key=receiver.url) for _ in range(2)]
    assert (one.status_code, two.status_code) == (201, 201)
    assert one.json() == two.json()
    assert one.json()["secret"].startswith("whsec_")
    await call.post("app", "notify", f"{ENDPOINTS}/{one.json()['id']}:remove")


async def test_every_command_of_the_document_does_what_it_says(
    endpoints: Endpoints, directory: Path, receiver: Receiver
) -> None:
    commands = "".join(BLOCK.findall(DOCUMENT.read_text(encoding="utf-8")))
    done = await asyncio.to_thread(
        subprocess.run,
        ["sh", "-eu", "-c", commands],
        env={**os.environ, "DIR": str(directory), "URL": receiver.url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert '"outcome":"delivered"' in done.stdout
    assert '"status":"removed"' in done.stdout
    [came] = receiver.received
    assert b"webhook.test" in came.body
