"""The demo's app has its backend told of messages: registered once per stack, and waited for."""

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from deploy.local import plan, settings
from deploy.local.app_backend.place import key_directory, keys_in, url_of
from deploy.local.client import Answer, Client
from deploy.local.demo import webhooks
from deploy.local.demo.webhooks import all_heard, register
from deploy.local.endpoints import Endpoints
from deploy.local.failures import StackFailed
from deploy.local.plan import StackOptions
from deploy.local.settings import StackSettings
from deploy.local.tokens import SandboxIssuer


class Notify(Client):
    """A client of a notify that knows endpoints, and nothing else."""

    def __init__(self) -> None:
        super().__init__(Endpoints(services={}, console="", kafka="", postgres="", tokens={}), "test")
        self.endpoints_by_id: dict[str, dict[str, Any]] = {}
        self.secrets = 0
        self.refusal: str | None = None

    def has(self, url: str, status: str) -> str:
        id = f"whe_{len(self.endpoints_by_id) + 1}"
        self.endpoints_by_id[id] = {"id": id, "url": url, "status": status, "waiting": 1, "given_up": 0}
        return id

    async def _send(
        self,
        method: str,
        role: str,
        service: str,
        path: str,
        body: object | None,
        headers: dict[str, str],
        expect: tuple[int, ...],
    ) -> Answer:
        assert (role, service) == ("app", "notify")
        id, _, act = path.partition("?")[0].removeprefix("/v1/webhook-endpoints").removeprefix("/").partition(":")
        if method == "GET":
            return _answer(200, self.endpoints_by_id[id] if id else {"items": self._all, "next": None})
        if not id:
            assert isinstance(body, dict)
            return self._registered(body["url"])
        if act == "rotate-secret":
            return self._told(200, id)
        self.endpoints_by_id[id]["status"] = {"enable": "enabled", "remove": "removed"}[act]
        return _answer(200, self.endpoints_by_id[id])

    @property
    def _all(self) -> list[dict[str, Any]]:
        return list(self.endpoints_by_id.values())

    def _registered(self, url: str) -> Answer:
        if self.refusal is not None:
            return _answer(409, {"code": self.refusal})
        known = [item["id"] for item in self._all if item["url"] == url and item["status"] != "removed"]
        if known:
            return _answer(409, {"code": "webhook_endpoint_exists", "id": known[0]})
        return self._told(201, self.has(url, "enabled"))

    def _told(self, status: int, id: str) -> Answer:
        self.secrets += 1
        return _answer(status, {**self.endpoints_by_id[id], "secret": f"whsec_{self.secrets}", "public_key": None})


def _answer(status: int, body: object) -> Answer:
    return Answer(status, msgspec.json.encode(body))


@pytest.fixture
def stack(tmp_path: Path) -> StackSettings:
    issuer = SandboxIssuer(tmp_path / "keys")
    made = plan.make_plan(tmp_path, StackOptions(), issuer, lambda *row: True).settings
    settings.write(made, tmp_path / settings.FILE)
    return made


def kept(stack: StackSettings, id: str) -> list[str]:
    return list(keys_in(key_directory(stack), id))


async def test_the_first_demo_registers_the_app_backend_and_keeps_its_secret(
    tmp_path: Path, stack: StackSettings
) -> None:
    async with Notify() as notify:
        id = await register(notify, tmp_path)
        assert notify.endpoints_by_id[id]["url"] == url_of(stack)
        assert kept(stack, id) == ["whsec_1"]


async def test_a_second_demo_finds_it_and_has_it_enabled(tmp_path: Path, stack: StackSettings) -> None:
    async with Notify() as notify:
        id = await register(notify, tmp_path)
        notify.endpoints_by_id[id]["status"] = "disabled"
        assert await register(notify, tmp_path) == id
        assert notify.endpoints_by_id[id]["status"] == "enabled"
        assert kept(stack, id) == ["whsec_1"]


async def test_a_secret_that_was_never_kept_is_replaced(tmp_path: Path, stack: StackSettings) -> None:
    async with Notify() as notify:
        id = notify.has(url_of(stack), "enabled")
        assert await register(notify, tmp_path) == id
        assert kept(stack, id) == ["whsec_1"]


async def test_an_app_backend_at_a_port_of_before_is_removed_and_no_other_endpoint(
    tmp_path: Path, stack: StackSettings
) -> None:
    async with Notify() as notify:
        before = notify.has("http://127.0.0.1:9/app-backend/webhooks", "enabled")
        other = notify.has("http://127.0.0.1:9/elsewhere", "enabled")
        id = await register(notify, tmp_path)
        statuses = {key: item["status"] for key, item in notify.endpoints_by_id.items()}
        assert statuses == {before: "removed", other: "enabled", id: "enabled"}


async def test_what_else_is_refused_ends_the_demo(tmp_path: Path, stack: StackSettings) -> None:
    async with Notify() as notify:
        notify.refusal = "too_many_webhook_endpoints"
        with pytest.raises(StackFailed, match="too_many_webhook_endpoints"):
            await register(notify, tmp_path)


def app_backend(*answers: list[str] | None) -> httpx.MockTransport:
    """One that tells these ids, answer after answer, those of the last one for ever; None: nobody answers."""
    left = list(answers)

    def tell(request: httpx.Request) -> httpx.Response:
        ids = left.pop(0) if len(left) > 1 else left[0]
        if ids is None:
            raise httpx.ConnectError("nobody")
        return httpx.Response(200, json={"ids": ids[int(request.url.params["after"]) :]})

    return httpx.MockTransport(tell)


async def test_the_demo_goes_on_when_the_app_backend_has_every_message(
    tmp_path: Path, stack: StackSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "PAUSE", 0.0)
    backend = app_backend(["msg_0"], None, ["msg_0", "msg_2"], ["msg_0", "msg_2", "msg_1"])
    async with Notify() as notify:
        await all_heard(notify, tmp_path, "whe_1", ["msg_1", "msg_2"], backend)


async def test_messages_that_do_not_come_are_named(
    tmp_path: Path, stack: StackSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "PATIENCE", 0.0)
    async with Notify() as notify:
        id = notify.has(url_of(stack), "disabled")
        with pytest.raises(StackFailed, match=rf"told of 1 messages \({id}: disabled, 1 waiting, 0 given up\): msg_2"):
            await all_heard(notify, tmp_path, id, ["msg_1", "msg_2"], app_backend(["msg_1"]))
