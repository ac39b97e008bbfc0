"""The sandbox's app backend: it keeps what is genuine, once and for good, and refuses everything else."""

import json
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from deploy.local.app_backend.app import LARGEST, app_backend_of
from deploy.local.app_backend.place import add_key, file_of, is_app_backend, key_directory, keys_in, url_of
from deploy.local.app_backend.received import ReceivedFile, read
from deploy.local.failures import StackFailed
from deploy.local.identity.__main__ import outside_of
from deploy.local.plan import StackOptions, make_plan
from deploy.local.settings import StackSettings
from deploy.local.tokens import SandboxIssuer
from shared.web.webhook_signing import new_secret, public_key_of, signed_headers

DATA = {"message_id": "msg_1", "person_id": "per_1", "subject_kind": "claim", "subject_id": "clm_1"}
BODY = json.dumps({"type": "claim.paid", "timestamp": "2025-03-03T01:00:00Z", "data": DATA}).encode()


class Backend:
    """An app backend that is running, its file and its keys."""

    def __init__(self, directory: Path) -> None:
        self.keys, self.path = directory / "keys", directory / "data" / "received.jsonl"
        self.file = ReceivedFile(self.path)
        self._app = app_backend_of(self.keys, self.file)

    def restarted(self) -> "Backend":
        self.file.close()
        return Backend(self.path.parents[1])

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url="http://app.test")

    async def take(self, secret: str, id: str = "msg_1", body: bytes = BODY, at: datetime | None = None) -> int:
        """Send it a webhook; the status of its answer."""
        headers = signed_headers([secret], id, at or datetime.now(UTC), body)
        async with self.http() as http:
            return (await http.post("/webhooks", content=body, headers=headers)).status_code

    async def told(self, after: int | None = None) -> dict[str, Any]:
        async with self.http() as http:
            answer = await http.get("/webhooks", params={} if after is None else {"after": after})
        told: dict[str, Any] = answer.raise_for_status().json()
        return told


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    made = Backend(tmp_path)
    yield made
    made.file.close()


@pytest.fixture
def secret(backend: Backend) -> str:
    """A secret that the backend was given."""
    made = new_secret("v1")
    add_key(backend.keys, "whe_1", made)
    return made


async def test_what_is_genuine_is_kept_as_it_came(backend: Backend, secret: str) -> None:
    assert await backend.take(secret) == 204
    assert await backend.told() == {"received": 1, "repeated": 0, "refused": 0, "ids": ["msg_1"]}
    [kept] = read(backend.path)
    assert (kept.id, *kept.said) == ("msg_1", "claim.paid", "2025-03-03T01:00:00Z", DATA)
    assert stat.S_IMODE(backend.path.stat().st_mode) == 0o600


async def test_what_comes_again_is_counted_and_not_told_twice(backend: Backend, secret: str) -> None:
    assert [await backend.take(secret, id) for id in ("msg_1", "msg_2", "msg_1")] == [204, 204, 204]
    assert await backend.told() == {"received": 2, "repeated": 1, "refused": 0, "ids": ["msg_1", "msg_2"]}
    assert [item.id for item in read(backend.path)] == ["msg_1", "msg_2", "msg_1"]


async def test_only_what_is_new_is_told_to_who_knows_the_rest(backend: Backend, secret: str) -> None:
    for id in ("msg_1", "msg_2", "msg_3"):
        await backend.take(secret, id)
    assert (await backend.told(after=2))["ids"] == ["msg_3"]
    assert (await backend.told(after=3))["ids"] == []
    async with backend.http() as http:
        assert (await http.get("/webhooks", params={"after": "-1"})).status_code == 400


async def test_what_is_not_genuine_is_refused(backend: Backend, secret: str) -> None:
    assert await backend.take(new_secret("v1")) == 401
    assert await backend.take(secret, at=datetime.now(UTC) - timedelta(minutes=6)) == 401
    headers = signed_headers([secret], "msg_1", datetime.now(UTC), BODY)
    async with backend.http() as http:
        forged = [
            await http.post("/webhooks", content=BODY.replace(b"paid", b"held"), headers=headers),
            await http.post("/webhooks", content=BODY, headers={**headers, "webhook-id": "msg_2"}),
            await http.post("/webhooks", content=BODY),
        ]
    assert [answer.status_code for answer in forged] == [401, 401, 401]
    assert await backend.told() == {"received": 0, "repeated": 0, "refused": 5, "ids": []}
    assert read(backend.path) == []


async def test_nothing_is_genuine_before_there_is_a_key(backend: Backend) -> None:
    secret = new_secret("v1")
    assert await backend.take(secret) == 401
    add_key(backend.keys, "whe_1", secret)
    assert await backend.take(secret) == 204


async def test_keys_before_stay_valid_beside_the_new_one(backend: Backend, secret: str) -> None:
    signing = new_secret("v1a")
    public = public_key_of(signing)
    assert public is not None
    add_key(backend.keys, "whe_1", public)
    add_key(backend.keys, "whe_1", public)
    assert list(keys_in(backend.keys, "whe_1")) == [public, secret]
    assert [await backend.take(key, id) for key, id in ((signing, "msg_1"), (secret, "msg_2"))] == [204, 204]
    [file] = backend.keys.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_what_is_genuine_and_no_webhook_is_refused_as_such(backend: Backend, secret: str) -> None:
    assert await backend.take(secret, body=b'{"type": "claim.paid"}') == 400
    assert await backend.take(secret, body=b"x" * (LARGEST + 1)) == 413
    assert read(backend.path) == []


async def test_a_restart_keeps_all_but_a_line_that_a_kill_cut_short(backend: Backend, secret: str) -> None:
    for id in ("msg_1", "msg_2", "msg_1"):
        await backend.take(secret, id)
    with backend.path.open("ab") as file:
        file.write(b'{"id":"msg_3","type":"cla')
    assert len(read(backend.path)) == 3
    again = backend.restarted()
    assert await again.told() == {"received": 2, "repeated": 1, "refused": 0, "ids": ["msg_1", "msg_2"]}
    assert await again.take(secret, "msg_3") == 204
    again.file.close()
    assert [item.id for item in read(backend.path)] == ["msg_1", "msg_2", "msg_1", "msg_3"]
    backend.file = ReceivedFile(backend.path)


async def test_what_finds_no_room_is_not_taken(backend: Backend, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda file, line: write(file, line[:10]))
        assert await backend.take(secret) == 503
    assert backend.path.read_bytes() == b""
    assert (await backend.told())["ids"] == []
    assert await backend.take(secret) == 204
    assert [item.id for item in read(backend.path)] == ["msg_1"]


def test_nothing_was_received_where_there_is_no_file(tmp_path: Path) -> None:
    assert read(tmp_path / "received.jsonl") == []


def planned(directory: Path) -> StackSettings:
    return make_plan(directory, StackOptions(), SandboxIssuer(directory / "keys"), lambda *row: True).settings


def test_it_is_beside_the_provider_and_keeps_all_within_the_stack_s_directory(tmp_path: Path) -> None:
    stack = planned(tmp_path)
    assert stack.sign_in is not None
    assert url_of(stack) == f"{stack.sign_in.provider}/app-backend/webhooks"
    assert is_app_backend(url_of(stack))
    assert not is_app_backend("https://app.example/app-backend/webhooks")
    assert file_of(stack) == tmp_path / "data" / "app-backend" / "received.jsonl"
    assert key_directory(stack) == tmp_path / "secrets" / "app-backend"


async def test_one_process_plays_it_and_the_provider_where_people_sign_in(tmp_path: Path) -> None:
    stack = planned(tmp_path)
    assert stack.sign_in is not None
    app = outside_of(stack, stack.sign_in)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=stack.sign_in.provider) as http:
        told = await http.get(url_of(stack))
        offered = await http.get("/.well-known/openid-configuration")
    assert told.json() == {"received": 0, "repeated": 0, "refused": 0, "ids": []}
    assert offered.json()["issuer"] == stack.sign_in.provider


def test_there_is_none_in_containers(tmp_path: Path) -> None:
    with pytest.raises(StackFailed, match="local profile only"):
        url_of(replace(planned(tmp_path), profile="compose"))
