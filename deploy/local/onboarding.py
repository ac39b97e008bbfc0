"""Lets the systems of a local stack in, as staff would: one person asks and hands in the keys, another approves."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from deploy.local.bank_keys import BANKS, bank_key
from deploy.local.client import Client
from deploy.local.clients import system_key
from deploy.local.clock import settle
from deploy.local.endpoints import Endpoints
from deploy.local.settings import SERVICES, StackSettings
from deploy.local.tokens import SYSTEMS
from shared.web.client_key import KEY_FILE, client_key, public_part
from shared.web.signing.keys import public_jwk

ASKS, APPROVES = "ops", "city"
"""The two persons of the sandbox."""


async def onboard(settings: StackSettings, endpoints: Endpoints) -> None:
    """Every system of the sandbox and every service is an approved client with its keys; what is so already stays."""
    directory = Path(settings.directory)
    keys = {name: [_Key("token", public_part(system_key(directory, name)))] for name in SYSTEMS}
    for name in BANKS:
        keys[name].append(_Key("signature", public_jwk(bank_key(directory / "keys", name).public)))
    for name in SERVICES:
        own = client_key(settings.secret(name, KEY_FILE))
        keys[f"service:{name}"] = [_Key("token", public_part(own))]
    async with Client(endpoints, f"onboard/{uuid4()}") as client:
        known = {item["client_id"]: item for item in await client.all(ASKS, "registry", "/v1/clients")}
        await asyncio.gather(*(_let_in(client, name, wanted, known.get(name)) for name, wanted in keys.items()))
        await settle(client)  # loans has heard of the banks' keys


class _Key(NamedTuple):
    use: str
    public_key: dict[str, str]

    @property
    def kid(self) -> str:
        return self.public_key["kid"]


async def _let_in(client: Client, name: str, keys: Sequence[_Key], shown: dict[str, Any] | None) -> None:
    """One client, from wherever an earlier start has left it."""
    if shown is None:
        shown = await _requested(client, name)
    path = f"/v1/clients/{shown['id']}"
    for key in keys:
        if key.kid not in {item["kid"] for item in shown["keys"]}:
            body = {"use": key.use, "public_key": key.public_key}
            shown = (await client.post(ASKS, "registry", f"{path}/keys", body, step=f"{name}/{key.use}")).body
    if shown["status"] == "requested":
        shown = (await client.post(APPROVES, "registry", f"{path}:approve", step=f"{name}/approve")).body
    for key in keys:
        if {item["kid"]: item["status"] for item in shown["keys"]}[key.kid] == "submitted":
            step = f"{name}/{key.use}/approve"
            await client.post(APPROVES, "registry", f"{path}/keys/{key.kid}:approve", step=step)


async def _requested(client: Client, name: str) -> dict[str, Any]:
    body = {"client_id": name, "name": f"沙箱系统 {name}", "scopes": [name]}
    made = await client.post(ASKS, "registry", "/v1/clients", body, step=f"{name}/request", expect=(409,))
    if made.status == 409:
        made = await client.get(ASKS, "registry", f"/v1/clients/{made.id}")
    shown: dict[str, Any] = made.body
    return shown
